import type { Digest } from '../base/index.ts';

const LEASE_MILLISECONDS = 60 * 60 * 1000;

/**
 * Keeps blobs and layers that somebody has just stored from being deleted before an image refers to
 * them. A lease ends when an image takes the thing over, or after an hour; it does not outlive the process.
 */
export class Leases {
  readonly #until = new Map<Digest, number>();

  take(digest: Digest): void {
    this.#until.set(digest, Date.now() + LEASE_MILLISECONDS);
  }

  release(digest: Digest): void {
    this.#until.delete(digest);
  }

  isLeased(digest: Digest): boolean {
    const until = this.#until.get(digest);
    if (until === undefined) return false;
    if (until > Date.now()) return true;
    this.#until.delete(digest);
    return false;
  }
}
