import { randomBytes } from 'node:crypto';
import { readdir, rename, stat, unlink, writeFile } from 'node:fs/promises';
import { type ContainerId, type NetworkId, systemErrorCode } from '../base/index.ts';
import type { NameDirectory, NamedContainer, NamedEndpoint } from './contract.ts';
import { networkText, viewText } from './name-files.ts';

/**
 * Keeps the files that the resolver answers from (`native/resolver/records.h`) in `folder`, which the launcher has
 * made: `n-<network>` for what containers are called, `s-<inode of a network namespace>` for what one container may
 * ask. Each is replaced as a whole, so that names go on working when berthd does not.
 */
export function createNameDirectory(folder: string): NameDirectory {
  return new FileNameDirectory(folder);
}

interface KnownContainer extends NamedContainer {
  /** The network namespace, as the kernel and the resolver name it. */
  readonly inode: bigint;
}

class FileNameDirectory implements NameDirectory {
  readonly #folder: string;
  readonly #containers = new Map<ContainerId, KnownContainer>();
  /** For each file the write that is under way, and the one that has not begun and will show what comes meanwhile. */
  readonly #writes = new Map<string, { running: Promise<void>; waiting?: Promise<void> }>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  async publish(container: NamedContainer): Promise<void> {
    const { ino: inode } = await stat(container.namespacePath, { bigint: true });
    const before = this.#containers.get(container.id);
    this.#containers.set(container.id, { ...container, inode });
    await this.#writeNetworks([...networksOf(before), ...networksOf(container)]);
    await this.#write(viewFile(inode), () => {
      const known = this.#containers.get(container.id);
      return known === undefined ? undefined : viewText(known.view);
    });
  }

  async withdraw(id: ContainerId): Promise<void> {
    const known = this.#containers.get(id);
    if (known === undefined) return;
    this.#containers.delete(id);
    await this.#write(viewFile(known.inode), () => undefined);
    await this.#writeNetworks(networksOf(known));
  }

  async restore(containers: readonly NamedContainer[]): Promise<void> {
    this.#containers.clear();
    await Promise.all(containers.map((container) => this.publish(container)));
    const kept = new Set<string>(['host']); // the launcher's copy of the host's resolv.conf
    for (const { inode, endpoints } of this.#containers.values()) {
      kept.add(viewFile(inode));
      for (const { network } of endpoints) kept.add(networkFile(network.id));
    }
    for (const name of await readdir(this.#folder)) if (!kept.has(name)) await this.#remove(name);
  }

  async #writeNetworks(ids: readonly NetworkId[]): Promise<void> {
    await Promise.all(
      [...new Set(ids)].map((id) => this.#write(networkFile(id), () => this.#textOfNetwork(id))),
    );
  }

  #textOfNetwork(id: NetworkId): string | undefined {
    const members: NamedEndpoint[] = [];
    for (const { endpoints } of this.#containers.values()) {
      members.push(...endpoints.filter(({ network }) => network.id === id));
    }
    return networkText(members);
  }

  /** Writes what `text` gives when the turn has come; undefined removes the file. Calls that wait share one write. */
  #write(name: string, text: () => string | undefined): Promise<void> {
    const current = this.#writes.get(name);
    if (current === undefined) {
      const running = this.#replace(name, text()).finally(() => this.#next(name));
      this.#writes.set(name, { running });
      return running;
    }
    current.waiting ??= current.running.then(
      () => this.#replace(name, text()),
      () => this.#replace(name, text()),
    );
    return current.waiting;
  }

  #next(name: string): void {
    const waiting = this.#writes.get(name)?.waiting;
    if (waiting === undefined) {
      this.#writes.delete(name);
      return;
    }
    const running = waiting.finally(() => this.#next(name));
    running.catch(() => {}); // who asked for it hears of a failure
    this.#writes.set(name, { running });
  }

  /** Not made durable: the namespaces that it is about do not survive a power loss either. */
  async #replace(name: string, text: string | undefined): Promise<void> {
    if (text === undefined) return this.#remove(name);
    const temporary = `${this.#folder}/${name}.${randomBytes(4).toString('hex')}.new`;
    await writeFile(temporary, text, { mode: 0o640 });
    await rename(temporary, `${this.#folder}/${name}`);
  }

  async #remove(name: string): Promise<void> {
    await unlink(`${this.#folder}/${name}`).catch((error: unknown) => {
      if (systemErrorCode(error) !== 'ENOENT') throw error;
    });
  }
}

const networksOf = (container: NamedContainer | undefined) =>
  (container?.endpoints ?? []).map(({ network }) => network.id);

const viewFile = (inode: bigint) => `s-${inode}`;
const networkFile = (id: NetworkId) => `n-${id}`;
