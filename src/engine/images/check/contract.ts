import type { Digest } from '../../../base/index.ts';
import type { Credentials, RegistryClient } from '../../../registry/index.ts';
import type { Store } from '../../../store/index.ts';
import type { LayerReader } from './fingerprint.ts';

export interface CheckParts {
  readonly store: Store;
  readonly registry: RegistryClient;
  readonly launcher: LayerReader;
}

/** A blob, or a layer by its diff ID. */
export interface CheckedThing {
  readonly kind: 'blob' | 'layer';
  readonly digest: Digest;
}

/** A blob or layer that is not what its digest says. */
export interface Damage extends CheckedThing {
  readonly reason: string;
  /** The images that need it: their tags, else their ids. */
  readonly images: readonly string[];
  readonly repair:
    | { readonly kind: 'none' }
    | { readonly kind: 'done' }
    | { readonly kind: 'failed'; readonly reason: string };
}

export interface CheckReport {
  readonly blobs: number;
  readonly layers: number;
  readonly damages: readonly Damage[];
}

export interface CheckOptions {
  /** Whether to mend what is damaged. */
  readonly repair: boolean;
  readonly credentialsFor: (domain: string) => Credentials | undefined;
  readonly signal: AbortSignal;
  /** Called before each blob and layer with how many come before it. */
  readonly onProgress: (thing: CheckedThing, done: number, total: number) => void;
}
