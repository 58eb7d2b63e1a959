import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { conflict, invalid, KeyedLock, notFound } from '../base/index.ts';
import type { Launcher } from '../runtime/index.ts';
import type { DocumentStore } from '../store/index.ts';
import type { Events } from './events.ts';
import { mountOnHost, unmountFromHost } from './host-mounts.ts';

const COLLECTION = 'volumes';

/** A named folder that outlives containers (Engine API, Volume). */
export interface Volume {
  readonly name: string;
  readonly createdAt: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly anonymous: boolean;
  /** The folder on the host. */
  readonly mountpoint: string;
  /** The local driver's: what is mounted there while a container uses it. Absent: nothing. */
  readonly options?: Readonly<Record<string, string>>;
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
  /** The containers that use each volume now. */
  readonly #users = new Map<string, Set<string>>();
  /** The containers under way that will mount each volume: no record says so yet. */
  readonly #reserved = new Map<string, Set<string>>();

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

  /**
   * Makes a volume, or returns the one of that name. For a container that is being made it is reserved in the same moment,
   * until {@link release}: nobody removes it before the container's record is there.
   */
  async create(request: NewVolume, container?: string): Promise<Volume> {
    if (request.driver !== undefined && request.driver !== '' && request.driver !== 'local') {
      throw notFound(
        `create ${request.name}: error looking up volume plugin ${request.driver}: plugin "${request.driver}" not found`,
      );
    }
    const options = request.driverOptions ?? {};
    checkOptions(request.name, options);
    const anonymous = request.name === '';
    const name = anonymous ? randomBytes(32).toString('hex') : validName(request.name);
    return this.#lock.run(name, async () => {
      if (container !== undefined) this.reserve(name, container);
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
        ...(Object.keys(options).length === 0 ? {} : { options }),
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

  /** As {@link create} does, for a volume that another container has. */
  reserve(name: string, container: string): void {
    this.#reserved.set(name, (this.#reserved.get(name) ?? new Set()).add(container));
  }

  /** The container's record is there, or will never be. */
  release(container: string): void {
    for (const [name, containers] of this.#reserved) {
      containers.delete(container);
      if (containers.size === 0) this.#reserved.delete(name);
    }
  }

  /** Mounts the volume's device, if it has one, for a container that is about to start. Throws with mount's own words. */
  async open(name: string, container: string): Promise<void> {
    const { mountpoint, options } = this.get(name);
    if (options === undefined) return;
    const { type = '', device = '', o = '' } = options;
    await this.#lock.run(name, async () => {
      await mountOnHost({ type, source: device, options: o, target: mountpoint });
      this.keepOpen(name, container);
    });
  }

  /** Notes that a container uses the volume, as {@link open} does, where it is mounted already. */
  keepOpen(name: string, container: string): void {
    this.#users.set(name, (this.#users.get(name) ?? new Set()).add(container));
  }

  /** Takes the volume's device away with the last container that used it. */
  async close(name: string, container: string): Promise<void> {
    await this.#lock.run(name, async () => {
      const users = this.#users.get(name);
      users?.delete(container);
      if (users !== undefined && users.size > 0) return;
      this.#users.delete(name);
      const volume = this.#documents.get<Volume>(COLLECTION, name);
      if (volume?.options !== undefined) await unmountFromHost(volume.mountpoint);
    });
  }

  /** Throws `not-found`, or `conflict` naming the containers that use it: those of `usersOf`, asked when its turn comes. */
  async remove(name: string, usersOf: (name: string) => readonly string[]): Promise<void> {
    await this.#lock.run(name, async () => {
      const { mountpoint, options } = this.get(name);
      const users = new Set([...usersOf(name), ...(this.#reserved.get(name) ?? [])]);
      if (users.size > 0) throw conflict(`remove ${name}: volume is in use - [${[...users].join(', ')}]`);
      // First: what a device holds must not be taken for the volume's own files.
      if (options !== undefined) await unmountFromHost(mountpoint);
      this.#documents.delete(COLLECTION, name);
      await this.#launcher.removeTree(join(this.#folder, name));
      this.#events.emit('volume', 'destroy', name, { driver: 'local' });
    });
  }
}

const OPTIONS = ['type', 'device', 'o'];

/** Docker's rules and words (moby, volume/local/local_unix.go). */
function checkOptions(name: string, options: Readonly<Record<string, string>>): void {
  const given = Object.keys(options);
  if (given.includes('size')) {
    throw invalid(`create ${name}: quota size requested but no quota support`);
  }
  const unknown = given.find((option) => !OPTIONS.includes(option));
  if (unknown !== undefined) throw invalid(`create ${name}: invalid option: "${unknown}"`);
  const missing = ['device', 'type'].find((option) => given.length > 0 && !options[option]);
  if (missing !== undefined) throw invalid(`create ${name}: missing required option: "${missing}"`);
}

function validName(name: string): string {
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name)) return name;
  throw invalid(
    `create ${name}: "${name}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. ` +
      'If you intended to pass a host directory, use absolute path',
  );
}
