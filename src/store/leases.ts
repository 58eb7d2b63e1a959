import type { Digest } from '../base/index.ts';

const LEASE_MILLISECONDS = 60 * 60 * 1000;

/**
 * Keeps blobs and layers that no image refers to yet from being deleted. What somebody has just stored is leased until an
 * image takes it over, or for an hour; what an operation holds stays until that operation is over. Neither outlives the
 * process.
 */
export class Leases {
  readonly #until = new Map<Digest, number>();
  /** How many hold it. */
  readonly #holders = new Map<Digest, number>();

  take(digest: Digest): void {
    if (!this.#holders.has(digest)) this.#until.set(digest, Date.now() + LEASE_MILLISECONDS);
  }

  release(digest: Digest): void {
    this.#until.delete(digest);
  }

  /** From now on the holder answers for it, and no lease. */
  hold(digest: Digest): void {
    this.#holders.set(digest, (this.#holders.get(digest) ?? 0) + 1);
    this.#until.delete(digest);
  }

  letGo(digest: Digest): void {
    const others = (this.#holders.get(digest) ?? 0) - 1;
    if (others > 0) this.#holders.set(digest, others);
    else this.#holders.delete(digest);
  }

  isLeased(digest: Digest): boolean {
    if (this.#holders.has(digest)) return true;
    const until = this.#until.get(digest);
    if (until === undefined) return false;
    if (until > Date.now()) return true;
    this.#until.delete(digest);
    return false;
  }
}
