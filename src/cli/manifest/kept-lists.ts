import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import {
  canonicalName,
  invalid,
  parseReference,
  systemErrorCode,
  writeFileAtomic,
} from '../../base/index.ts';
import type { ListEntry } from './list-entry.ts';

/**
 * The manifest lists that a user has begun, where Docker's CLI keeps them and in its form: a folder per list below
 * `manifests` of the configuration's folder, a file per image. Either CLI goes on with what the other has begun.
 */
export class KeptLists {
  readonly #folder: string;

  constructor(env: NodeJS.ProcessEnv) {
    this.#folder = join(env.DOCKER_CONFIG || join(env.HOME || homedir(), '.docker'), 'manifests');
  }

  /** The images of a list in the order of its files, which is that of a push; undefined where there is no such list. */
  async entries(list: string): Promise<readonly ListEntry[] | undefined> {
    const folder = this.#folderOf(list);
    try {
      const names = (await readdir(folder)).filter((name) => !name.endsWith('.tmp')).sort();
      return await Promise.all(names.map((name) => readEntry(join(folder, name))));
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  async put(list: string, image: string, entry: ListEntry): Promise<void> {
    const folder = this.#folderOf(list);
    await mkdir(folder, { recursive: true, mode: 0o755 });
    await writeFileAtomic(join(folder, fileName(image)), JSON.stringify(entry), 0o644);
  }

  /** Forgets a list; returns whether there was one. */
  async remove(list: string): Promise<boolean> {
    if ((await this.entries(list)) === undefined) return false;
    await rm(this.#folderOf(list), { recursive: true });
    return true;
  }

  #folderOf(list: string): string {
    return join(this.#folder, fileName(list));
  }
}

/** A reference has no other characters that a file's name could not have, and is no "..": it begins with a host. */
function fileName(reference: string): string {
  return canonicalName(parseReference(reference)).replaceAll(':', '-').replaceAll('/', '_');
}

async function readEntry(path: string): Promise<ListEntry> {
  const text = await readFile(path, 'utf8');
  try {
    const entry = JSON.parse(text) as Partial<ListEntry>;
    if (typeof entry.Ref === 'string' && typeof entry.Descriptor?.digest === 'string') {
      return { ...entry, Ref: entry.Ref, Descriptor: entry.Descriptor, Raw: entry.Raw ?? '' };
    }
  } catch (error) {
    throw invalid(`${path} is no valid JSON`, { cause: error });
  }
  throw invalid(`${path} is no manifest that was kept`);
}
