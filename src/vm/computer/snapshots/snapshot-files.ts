import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  conflict,
  invalid,
  notFound,
  syncDirectory,
  systemErrorCode,
  writeFileAtomic,
} from '../../../base/index.ts';
import { isObject } from '../qmp-answer.ts';
import type { Snapshot } from './contract.ts';

/** The version of {@link Snapshot} that is written and read here. */
const VERSION = 1;

const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/;

/** Files of a snapshot; the record by its own name says that it exists. */
const RECORD = '.json';
const PENDING = '.pending';
const STATE = '.state';
const VARIABLES = '.variables';

/** The record of a snapshot that the disks are to be made like, and that whose state the machine is to go on from. */
const RESTORE = 'restore';
const RESUME = 'resume';

/** What is to be undone when it is found by itself: its tag may be in disks. */
export interface PendingSnapshot {
  readonly name: string;
  readonly tag: string;
}

/**
 * The folder of one machine's snapshots. Each change of it is one rename: a record that is pending is no snapshot yet, or
 * none any more.
 */
export class SnapshotFiles {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async list(): Promise<Snapshot[]> {
    const snapshots = await Promise.all((await this.#names(RECORD)).map((name) => this.get(name)));
    return snapshots.sort((a, b) => (a.createdAt < b.createdAt ? -1 : 1));
  }

  /** Throws `not-found`, `invalid` for another version. */
  async get(name: string): Promise<Snapshot> {
    if (!NAME.test(name)) throw missing(name);
    const snapshot = await this.#read(`${name}${RECORD}`);
    if (snapshot === undefined) throw missing(name);
    return snapshot;
  }

  /** Throws `invalid` for what is no name, `conflict` for one that is taken. */
  async requireFree(name: string): Promise<void> {
    if (!NAME.test(name)) {
      throw invalid(`"${name}" is no name of a snapshot`, {
        hint: 'It has 1 to 63 letters, digits, "-", "_" and ".", a letter or digit first',
      });
    }
    if ((await this.#text(`${name}${RECORD}`)) === undefined) return;
    throw conflict(`there is a snapshot ${name} already`, {
      hint: 'Choose another name, or remove it first',
    });
  }

  /** Notes, durably, that a tag is going to be in disks. */
  async begin(pending: PendingSnapshot): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    await writeFileAtomic(this.#path(pending.name, PENDING), JSON.stringify(pending));
  }

  /** From here on it exists. */
  async finish(snapshot: Snapshot): Promise<void> {
    await writeFileAtomic(this.#path(snapshot.name, PENDING), JSON.stringify(snapshot));
    await this.#rename(`${snapshot.name}${PENDING}`, `${snapshot.name}${RECORD}`);
  }

  /** From here on it exists no more, and what it has left is to be undone. */
  async beginRemoval(name: string): Promise<void> {
    await this.#rename(`${name}${RECORD}`, `${name}${PENDING}`);
  }

  /** Begun, and neither finished nor undone. */
  async pending(): Promise<PendingSnapshot[]> {
    const texts = await Promise.all(
      (await this.#names(PENDING)).map((name) => this.#text(`${name}${PENDING}`)),
    );
    return texts.flatMap((text) => (text === undefined ? [] : [parsePending(text)]));
  }

  /** To be called when its tag is in no disk any more. */
  async undone(name: string): Promise<void> {
    for (const ending of [STATE, VARIABLES]) await rm(this.#path(name, ending), { force: true });
    await rm(this.#path(name, PENDING), { force: true });
  }

  /** Notes, durably, that disks are going to be like a snapshot's. */
  async beginRestore(snapshot: Snapshot): Promise<void> {
    await writeFileAtomic(join(this.#folder, RESTORE), JSON.stringify(snapshot));
  }

  async restoring(): Promise<Snapshot | undefined> {
    return this.#read(RESTORE);
  }

  /** The disks are like those of the snapshot; of one that ran, its state is to follow. */
  async finishRestore({ running }: Snapshot): Promise<void> {
    if (running !== undefined) return this.#rename(RESTORE, RESUME);
    await rm(join(this.#folder, RESTORE), { force: true });
    await this.forgetResume();
  }

  async resuming(): Promise<Snapshot | undefined> {
    return this.#read(RESUME);
  }

  async forgetResume(): Promise<void> {
    await rm(join(this.#folder, RESUME), { force: true });
    await syncDirectory(this.#folder).catch(() => {}); // there may be no folder
  }

  statePath(name: string): string {
    return this.#path(name, STATE);
  }

  variablesPath(name: string): string {
    return this.#path(name, VARIABLES);
  }

  async #names(ending: string): Promise<string[]> {
    const files = await readdir(this.#folder).catch((error: unknown) => {
      if (systemErrorCode(error) === 'ENOENT') return [];
      throw error;
    });
    return files.filter((file) => file.endsWith(ending)).map((file) => file.slice(0, -ending.length));
  }

  async #read(file: string): Promise<Snapshot | undefined> {
    const text = await this.#text(file);
    return text === undefined ? undefined : parseSnapshot(text, join(this.#folder, file));
  }

  async #text(file: string): Promise<string | undefined> {
    try {
      return await readFile(join(this.#folder, file), 'utf8');
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  async #rename(from: string, to: string): Promise<void> {
    await rename(join(this.#folder, from), join(this.#folder, to));
    await syncDirectory(this.#folder);
  }

  #path(name: string, ending: string): string {
    return join(this.#folder, `${name}${ending}`);
  }
}

function missing(name: string) {
  return notFound(`there is no snapshot ${name}`, {
    hint: 'berth vm snapshot ls MACHINE lists those that there are',
  });
}

/** Only berth writes records, so of one with its version all is as it should be. */
function parseSnapshot(text: string, path: string): Snapshot {
  const record: unknown = JSON.parse(text);
  if (isSnapshot(record)) return record;
  const version = isObject(record) ? record.version : undefined;
  throw invalid(`the snapshot in ${path} has version ${version}; this berth reads version ${VERSION}`, {
    hint: 'Restore it by the berth that took it',
  });
}

function isSnapshot(record: unknown): record is Snapshot {
  return isObject(record) && record.version === VERSION;
}

function parsePending(text: string): PendingSnapshot {
  const record: unknown = JSON.parse(text);
  if (isObject(record)) return { name: String(record.name), tag: String(record.tag) };
  throw invalid(`the record of a snapshot is no object: ${text}`);
}
