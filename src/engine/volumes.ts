import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { conflict, invalid, KeyedLock, notFound, notImplemented } from '../base/index.ts';
import type { Launcher } from '../runtime/index.ts';
import type { DocumentStore } from '../store/index.ts';
import type { Events } from './events.ts';

const COLLECTION = 'volumes';

/** A named folder that outlives containers (Engine API, Volume). */
export interface Volume {
  readonly name: string;
  readonly createdAt: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly anonymous: boolean;
  /** The folder on the host. */
  readonly mountpoint: string;
}

export interface NewVolume {
  /** "" makes an anonymous one. */
  readonly name: string;
  readonly driver?: string;
  readonly driverOptions?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
}

/** The volumes of the instance, all of the local driver: `<data root>/volumes/<name>/_data`. */
export class Volumes {
  readonly #documents: DocumentStore;
  readonly #launcher: Pick<Launcher, 'removeTree'>;
  readonly #events: Events;
  readonly #folder: string;
  readonly #lock = new KeyedLock();

  constructor(
    parts: { documents: DocumentStore; launcher: Pick<Launcher, 'removeTree'>; events: Events },
    dataRoot: string,
  ) {
    this.#documents = parts.documents;
    this.#launcher = parts.launcher;
    this.#events = parts.events;
    this.#folder = join(dataRoot, 'volumes');
  }

  list(): Volume[] {
    return this.#documents.all<Volume>(COLLECTION).map(({ document }) => document);
  }

  /** Throws `not-found` in Docker's words. */
  get(name: string): Volume {
    const volume = this.#documents.get<Volume>(COLLECTION, name);
    if (volume === undefined) throw notFound(`get ${name}: no such volume`);
    return volume;
  }

  /** Makes a volume, or returns the one of that name. */
  async create(request: NewVolume): Promise<Volume> {
    if (request.driver !== undefined && request.driver !== '' && request.driver !== 'local') {
      throw notFound(
        `create ${request.name}: error looking up volume plugin ${request.driver}: plugin "${request.driver}" not found`,
      );
    }
    const [option] = Object.keys(request.driverOptions ?? {});
    if (option !== undefined)
      throw notImplemented(`the local volume driver's option "${option}" is not there yet`);
    const anonymous = request.name === '';
    const name = anonymous ? randomBytes(32).toString('hex') : validName(request.name);
    return this.#lock.run(name, async () => {
      const existing = this.#documents.get<Volume>(COLLECTION, name);
      if (existing !== undefined) return existing;
      const mountpoint = join(this.#folder, name, '_data');
      await mkdir(mountpoint, { recursive: true, mode: 0o755 });
      const volume = {
        name,
        createdAt: new Date().toISOString(),
        labels: request.labels ?? {},
        anonymous,
        mountpoint,
      };
      try {
        this.#documents.put(COLLECTION, name, volume);
      } catch (error) {
        await this.#launcher.removeTree(join(this.#folder, name));
        throw error;
      }
      this.#events.emit('volume', 'create', name, { driver: 'local' });
      return volume;
    });
  }

  /** Throws `not-found`, or `conflict` naming the containers in `users`. */
  async remove(name: string, users: readonly string[]): Promise<void> {
    await this.#lock.run(name, async () => {
      this.get(name);
      if (users.length > 0) throw conflict(`remove ${name}: volume is in use - [${users.join(', ')}]`);
      this.#documents.delete(COLLECTION, name);
      await this.#launcher.removeTree(join(this.#folder, name));
      this.#events.emit('volume', 'destroy', name, { driver: 'local' });
    });
  }
}

function validName(name: string): string {
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name)) return name;
  throw invalid(
    `create ${name}: "${name}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. ` +
      'If you intended to pass a host directory, use absolute path',
  );
}
