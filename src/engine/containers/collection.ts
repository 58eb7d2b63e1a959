import { type ContainerId, conflict, isBerthError, KeyedLock, notFound } from '../../base/index.ts';
import type { DocumentStore } from '../../store/index.ts';
import { type ContainerRecord, type ContainerState, isComputer } from './container.ts';

const COLLECTION = 'containers';

/**
 * All containers of the instance: in memory for reading, each change written through to the metadata
 * database. One lock per container keeps its changes in order; {@link exclusively} takes it.
 */
export class ContainerCollection {
  readonly #documents: DocumentStore;
  readonly #byId = new Map<ContainerId, ContainerRecord>();
  readonly #byName = new Map<string, ContainerId>();
  readonly #lock = new KeyedLock();

  constructor(documents: DocumentStore) {
    this.#documents = documents;
    for (const { document } of documents.all<ContainerRecord>(COLLECTION)) this.#index(document);
  }

  /** Newest first. */
  all(): ContainerRecord[] {
    // As plain text: the order of a language takes ten times as long.
    return [...this.#byId.values()].sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1));
  }

  get(id: ContainerId): ContainerRecord | undefined {
    return this.#byId.get(id);
  }

  /** By id, name or unique prefix of an id, in this order; throws `not-found` in Docker's words, or `conflict`. */
  find(reference: string): ContainerRecord {
    const name = reference.replace(/^\//, '');
    const exact = this.#byId.get(name as ContainerId) ?? this.byName(name);
    if (exact !== undefined) return exact;
    const matches = [...this.#byId.values()].filter(
      (record) => /^[0-9a-f]+$/.test(name) && record.id.startsWith(name),
    );
    const [first, second] = matches;
    if (second !== undefined) throw conflict(`Multiple IDs found with provided prefix: ${name}`);
    if (first === undefined) throw notFound(`No such container: ${reference}`);
    return first;
  }

  /** As {@link find}, but of containers alone: a machine is `not-found`, with the word for its commands. */
  findContainer(reference: string): ContainerRecord {
    const record = this.find(reference);
    if (!isComputer(record)) return record;
    throw notFound(`No such container: ${reference}`, {
      hint: `${record.name} is a machine: its commands are those of berth vm`,
    });
  }

  /** As {@link find}, but of machines alone. */
  findMachine(reference: string): ContainerRecord {
    let record: ContainerRecord;
    try {
      record = this.find(reference);
    } catch (error) {
      if (!isBerthError(error, 'not-found')) throw error;
      throw notFound(`there is no machine ${reference}`, { cause: error });
    }
    if (isComputer(record)) return record;
    throw notFound(`there is no machine ${reference}`, {
      hint: `${record.name} is a container: its commands come without "vm"`,
    });
  }

  byName(name: string): ContainerRecord | undefined {
    const id = this.#byName.get(name);
    return id === undefined ? undefined : this.#byId.get(id);
  }

  /** Adds a record; throws `conflict` when the name is taken. */
  add(record: ContainerRecord): void {
    const holder = this.byName(record.name);
    if (holder !== undefined) throw nameTaken(record.name, holder);
    this.#documents.put(COLLECTION, record.id, record);
    this.#index(record);
  }

  /** Replaces parts of a record; returns the new one. Throws `not-found` when it was removed meanwhile. */
  update(id: ContainerId, change: Partial<Omit<ContainerRecord, 'id' | 'name'>>): ContainerRecord {
    const record = { ...this.#existing(id), ...change };
    this.#documents.put(COLLECTION, id, record);
    this.#byId.set(id, record);
    return record;
  }

  /**
   * As {@link update}, but a loss of power may undo it up to the container's next change: for what is meant for the end
   * that is being brought about, and of which nobody is told before that is recorded.
   */
  prepare(
    id: ContainerId,
    change: Partial<Pick<ContainerRecord, 'stoppedByUser' | 'lastSignal'>>,
  ): ContainerRecord {
    const record = { ...this.#existing(id), ...change };
    try {
      this.#documents.buffered(() => this.#documents.put(COLLECTION, id, record));
    } catch (error) {
      if (!isBerthError(error, 'unavailable')) throw error; // a full disk must not keep a container from being stopped
    }
    this.#byId.set(id, record);
    return record;
  }

  setState(id: ContainerId, state: ContainerState): ContainerRecord {
    return this.update(id, { state });
  }

  /**
   * As {@link update}, for what has happened already: on a full disk it counts all the same, and is written with
   * the record's next change. `beside` is written with it, or not at all. Where the container's removal follows, that
   * brings it to the disk.
   */
  note(
    id: ContainerId,
    change: Partial<Pick<ContainerRecord, 'state' | 'restartCount'>>,
    { beside = () => {}, removalFollows = false }: NoteOptions = {},
  ): ContainerRecord {
    const write = () =>
      this.#documents.transaction(() => {
        beside();
        return this.update(id, change);
      });
    try {
      return removalFollows ? this.#documents.buffered(write) : write();
    } catch (error) {
      if (!isBerthError(error, 'unavailable')) throw error;
      const record = { ...this.#existing(id), ...change };
      this.#byId.set(id, record);
      return record;
    }
  }

  rename(id: ContainerId, name: string): ContainerRecord {
    const record = this.#existing(id);
    const holder = this.byName(name);
    if (holder !== undefined) throw nameTaken(name, holder);
    const renamed = { ...record, name };
    this.#documents.put(COLLECTION, id, renamed);
    this.#byName.delete(record.name);
    this.#index(renamed);
    return renamed;
  }

  /** Removes a record; what `beside` deletes goes with it, or stays with it. */
  remove(id: ContainerId, beside: () => void): void {
    const record = this.#existing(id);
    this.#documents.transaction(() => {
      beside();
      this.#documents.delete(COLLECTION, id);
    });
    this.#byId.delete(id);
    this.#byName.delete(record.name);
  }

  /** Resolves when what was asked for before on this container is done; rejects when `signal` aborts before. Holds nothing. */
  turn(id: ContainerId, signal: AbortSignal): Promise<void> {
    return this.exclusively(id, async () => {}, signal);
  }

  /** Runs `work` while no other change to this container runs; when `signal` aborts before its turn, not at all. */
  exclusively<T>(id: ContainerId, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    return this.#lock.run(id, work, signal);
  }

  #existing(id: ContainerId): ContainerRecord {
    const record = this.#byId.get(id);
    if (record === undefined) throw notFound(`No such container: ${id}`);
    return record;
  }

  #index(record: ContainerRecord): void {
    this.#byId.set(record.id, record);
    this.#byName.set(record.name, record.id);
  }
}

interface NoteOptions {
  readonly beside?: () => void;
  readonly removalFollows?: boolean;
}

/** The refusal of a name that another container has, in Docker's words; machines and containers share their names. */
export function nameTaken(name: string, holder: ContainerRecord) {
  if (isComputer(holder)) {
    return conflict(`the name ${name} is taken: a machine has it`, {
      hint: `Choose another one, or rename the machine: berth vm rename ${name} NEW_NAME`,
    });
  }
  return conflict(
    `Conflict. The container name "/${name}" is already in use by container "${holder.id}". ` +
      'You have to remove (or rename) that container to be able to reuse that name.',
  );
}
