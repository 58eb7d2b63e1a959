import { randomInt } from 'node:crypto';
import { IpStream, isLinkGone } from './iproute.ts';

/**
 * Deletes interfaces. Once one is off every list, its name and addresses are free and nothing passes it any more; the kernel
 * then waits for its last packets (some 20 ms) before it says that it is done, which nobody waits for here. Those that are
 * asked for meanwhile are put into one group and deleted together; others' changes do not wait behind them.
 */
export class LinkRemoval implements AsyncDisposable {
  readonly #ip = new IpStream();
  /** Looks while {@link #ip} waits. */
  readonly #eye = new IpStream();
  /** A number that nothing else uses as an interface group. */
  readonly #group = randomInt(2 ** 20, 2 ** 31);
  #wanted = new Set<string>();
  #round: Promise<void> | undefined;

  /** Resolves when the interface is gone; one that is gone already, as a veth's end is with its namespace, is no error. */
  async remove(names: Iterable<string>): Promise<void> {
    const mine = new Set(names);
    if (mine.size === 0) return;
    for (const name of mine) this.#wanted.add(name);
    await this.#round?.catch(() => {}); // this round began without them
    this.#round ??= this.#removeWanted().finally(() => {
      this.#round = undefined;
    });
    await this.#round;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#round?.catch(() => {});
    await this.#ip[Symbol.asyncDispose]();
    await this.#eye[Symbol.asyncDispose]();
  }

  async #removeWanted(): Promise<void> {
    const names = this.#wanted;
    this.#wanted = new Set();
    let grouped = 0;
    for (const name of names) {
      // Down at once: its address may be given to another container from now on.
      const isThere = await this.#ip.run([`link set ${name} down group ${this.#group}`]).then(
        () => true,
        (error: unknown) => {
          if (isLinkGone(error)) return false;
          throw error;
        },
      );
      if (isThere) grouped += 1;
    }
    if (grouped > 0) await this.#deleteGroup();
  }

  async #deleteGroup(): Promise<void> {
    let isOver = false;
    const deletion = this.#ip
      .run([`link del group ${this.#group}`])
      .catch((error: unknown) => {
        if (!isLinkGone(error)) throw error; // the last of them went by itself
      })
      .finally(() => {
        isOver = true;
      });
    await Promise.race([deletion, this.#unlisted(() => isOver)]);
    if (isOver) await deletion;
  }

  /** While a deletion takes interfaces off the lists, the kernel lets nobody read them: this asks once or twice. */
  async #unlisted(isOver: () => boolean): Promise<void> {
    const left = () => this.#eye.ask(`link show group ${this.#group}`);
    while (!isOver() && (await left()) !== '');
  }
}
