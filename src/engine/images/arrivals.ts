import { type Digest, isBerthError } from '../../base/index.ts';

interface Arrival {
  pulls: number;
  remove: (() => Promise<void>) | undefined;
}

/**
 * What pulls that are going on have brought into the store. When one fails, what it brought is removed, unless
 * another pull needs the same blob.
 */
export class Arrivals {
  readonly #byDigest = new Map<Digest, Arrival>();

  /** The blobs that one pull needs, until it is over. */
  hold(digests: readonly Digest[]): void {
    for (const digest of digests) {
      const arrival = this.#byDigest.get(digest) ?? { pulls: 0, remove: undefined };
      arrival.pulls += 1;
      this.#byDigest.set(digest, arrival);
    }
  }

  /** A held blob has been stored, and `remove` undoes that. */
  arrived(digest: Digest, remove: () => Promise<void>): void {
    const arrival = this.#byDigest.get(digest);
    if (arrival !== undefined) arrival.remove = remove;
  }

  /** The pull that held them is over; with `keep` an image has them now. */
  async release(digests: readonly Digest[], keep: boolean): Promise<void> {
    for (const digest of digests) {
      const arrival = this.#byDigest.get(digest);
      if (arrival === undefined) continue;
      arrival.pulls -= 1;
      if (keep) arrival.remove = undefined;
      if (arrival.pulls > 0) continue;
      this.#byDigest.delete(digest);
      await arrival.remove?.().catch(unlessInUse);
    }
  }
}

/** An image that did not come by a pull may need the same layer by now. */
function unlessInUse(error: unknown): void {
  if (!isBerthError(error, 'conflict')) throw error;
}
