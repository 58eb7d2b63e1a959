import { createHash } from 'node:crypto';
import type { DiffId, Digest } from '../base/index.ts';
import type { Image, Layer, Store } from '../store/index.ts';

/** Names a state of a build by all that led to it: base image, instructions and content, never time. */
export type StepKey = string & { readonly __brand: 'StepKey' };

/** The key of what `parts` make of the state before. */
export function stepKey(...parts: readonly unknown[]): StepKey {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex') as StepKey;
}

/** What a step came to. */
export interface StepResult {
  /** undefined: the step changed no file. */
  readonly layer: Layer | undefined;
  /** When it was done, as image configs write times. */
  readonly created: string;
}

/** In the collection "build-cache", by {@link StepKey}. */
interface StepRecord {
  readonly diffId: DiffId | null;
  readonly created: string;
}

const STEPS = 'build-cache';
const RESULTS = 'build-results';

/**
 * What earlier builds made of which keys. An entry counts only while its layer or image is there. New entries become
 * durable together, with {@link save}.
 */
export class StepCache {
  readonly #store: Store;
  #unsaved: { key: StepKey; record: StepRecord }[] = [];

  constructor(store: Store) {
    this.#store = store;
  }

  /** The result of a step; undefined where there is none any more. */
  async find(key: StepKey): Promise<StepResult | undefined> {
    const record = this.#store.documents.get<StepRecord>(STEPS, key);
    if (record === undefined) return undefined;
    const { diffId, created } = record;
    if (diffId === null) return { layer: undefined, created };
    const layer = await this.#store.layers.get(diffId);
    return layer === undefined ? undefined : { layer, created };
  }

  remember(key: StepKey, { layer, created }: StepResult): void {
    this.#unsaved.push({ key, record: { diffId: layer?.diffId ?? null, created } });
  }

  /** Makes what was remembered durable, in one transaction. */
  save(): void {
    const unsaved = this.#unsaved;
    this.#unsaved = [];
    if (unsaved.length === 0) return;
    const { documents } = this.#store;
    documents.transaction(() => {
      for (const { key, record } of unsaved) documents.put(STEPS, key, record);
    });
  }

  /** The image that a build with this last key gave. */
  async findImage(key: StepKey): Promise<Image | undefined> {
    const record = this.#store.documents.get<{ id: Digest }>(RESULTS, key);
    return record === undefined ? undefined : this.#store.images.get(record.id);
  }

  rememberImage(key: StepKey, { id }: Image): void {
    this.#store.documents.put(RESULTS, key, { id });
  }

  /** The layers that steps have made, with when (ISO 8601). */
  madeLayers(): ReadonlyMap<DiffId, string> {
    const records = this.#store.documents.all<StepRecord>(STEPS).map(({ document }) => document);
    return new Map(records.flatMap(({ diffId, created }) => (diffId === null ? [] : [[diffId, created]])));
  }

  /** Forgets what no layer or image is there for any more, and the steps that `isOver` says of when they were done. */
  async forget(isOver: (created: string) => boolean): Promise<void> {
    const { documents, layers, images } = this.#store;
    const isGone = async ({ diffId, created }: StepRecord) =>
      isOver(created) || (diffId !== null && (await layers.get(diffId)) === undefined);
    const steps = documents.all<StepRecord>(STEPS);
    const goneSteps = await Promise.all(steps.map(({ document }) => isGone(document)));
    const results = documents.all<{ id: Digest }>(RESULTS);
    const found = await Promise.all(results.map(({ document }) => images.get(document.id)));
    documents.transaction(() => {
      for (const [index, { key }] of steps.entries()) if (goneSteps[index]) documents.delete(STEPS, key);
      for (const [index, { key }] of results.entries()) {
        const created = found[index]?.config.created;
        if (created === undefined || isOver(created)) documents.delete(RESULTS, key);
      }
    });
  }
}
