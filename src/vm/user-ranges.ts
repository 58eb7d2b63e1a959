import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ContainerId, conflict, KeyedLock, systemErrorCode } from '../base/index.ts';

/** Users of one machine: as many as its guest may name. */
const RANGE = 65_536;

/** The host's users from here on belong to machines: far above those that useradd(8) and subuid(5) give. */
const FIRST = 0x8000_0000;

/** Up to the last number that is a user: -1 and -2 are none. */
const RANGES = 0x7fff;

/**
 * Each machine's QEMU runs as a user that nobody else on the host is. A file per range says whose it is. Instances begin
 * at different places, so that they hardly meet; they would not see each other's files then either.
 */
export class UserRanges {
  readonly #directory: string;
  readonly #start: number;
  readonly #lock = new KeyedLock();

  /** `directory` is made when it is needed. */
  constructor(directory: string) {
    this.#directory = directory;
    this.#start = createHash('sha256').update(directory).digest().readUInt16LE() % RANGES;
  }

  /** The first user of a machine's range; the same one until it is released. */
  async take(id: ContainerId): Promise<number> {
    return this.#lock.run('ranges', async () => {
      await mkdir(this.#directory, { recursive: true, mode: 0o700 });
      const taken = await this.#taken();
      const own = taken.get(id) ?? this.#free(new Set(taken.values()));
      if (!taken.has(id)) await writeFile(join(this.#directory, String(own)), id, { flag: 'wx' });
      return FIRST + own * RANGE;
    });
  }

  async release(id: ContainerId): Promise<void> {
    await this.#lock.run('ranges', async () => {
      const own = (await this.#taken()).get(id);
      if (own !== undefined) await rm(join(this.#directory, String(own)), { force: true });
    });
  }

  async #taken(): Promise<Map<string, number>> {
    const names = await readdir(this.#directory).catch((error: unknown) => {
      if (systemErrorCode(error) === 'ENOENT') return [];
      throw error;
    });
    const owners = names.map(async (name) => {
      return [await readFile(join(this.#directory, name), 'utf8'), Number(name)] as const;
    });
    return new Map(await Promise.all(owners));
  }

  #free(taken: ReadonlySet<number>): number {
    for (let step = 0; step < RANGES; step++) {
      const range = (this.#start + step) % RANGES;
      if (!taken.has(range)) return range;
    }
    throw conflict(`there are ${RANGES} virtual machines already`, {
      hint: 'Remove some that are not needed',
    });
  }
}
