import { createHash } from 'node:crypto';
import type { DiffId, Digest } from '../base/index.ts';
import type { Image, Layer, Store } from '../store/index.ts';

/** Names a state of a build by all that led to it: base image, instructions and content, never time. */
export type StepKey = string & { readonly __brand: 'StepKey' };

/** The key of what `parts` make of the state before. */
export function stepKey(...parts: readonly unknown[]): StepKey {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex') as StepKey;
}

/** undefined: the step changed no file. */
export type StepResult = Layer | undefined;

const STEPS = 'build-cache';
const RESULTS = 'build-results';

/** What earlier builds made of which keys. An entry counts only while its layer or image is there. */
export class StepCache {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /** The result of a step, or "unknown". */
  async find(key: StepKey): Promise<{ readonly layer: StepResult } | undefined> {
    const record = this.#store.documents.get<{ diffId: DiffId | null }>(STEPS, key);
    if (record === undefined) return undefined;
    if (record.diffId === null) return { layer: undefined };
    const layer = await this.#store.layers.get(record.diffId);
    return layer === undefined ? undefined : { layer };
  }

  remember(key: StepKey, layer: StepResult): void {
    this.#store.documents.put(STEPS, key, { diffId: layer?.diffId ?? null });
  }

  /** The image that a build with this last key gave. */
  async findImage(key: StepKey): Promise<Image | undefined> {
    const record = this.#store.documents.get<{ id: Digest }>(RESULTS, key);
    return record === undefined ? undefined : this.#store.images.get(record.id);
  }

  rememberImage(key: StepKey, { id }: Image): void {
    this.#store.documents.put(RESULTS, key, { id });
  }
}
