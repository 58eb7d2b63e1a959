import { mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { type ContainerId, errorMessage, type NetworkId, unavailable } from '../base/index.ts';
import type { NameDirectory, NamedContainer } from './contract.ts';
import { networkText, viewText } from './name-files.ts';

/**
 * Keeps the files that the resolver answers from (`native/resolver/records.h`) in `folder`, which the launcher has
 * made: `n-<network>` for what containers are called, `s-<inode of a network namespace>` for what one container may
 * ask. Each is replaced as a whole, so that names go on working when berthd does not.
 *
 * Synchronous: to write a file that never waits for a disk takes less time than the way to another thread and back,
 * which every start would pay.
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

  constructor(folder: string) {
    this.#folder = folder;
  }

  publish(container: NamedContainer): void {
    this.#change(() => {
      const { ino: inode } = statSync(container.namespacePath, { bigint: true });
      const before = this.#containers.get(container.id);
      this.#containers.set(container.id, { ...container, inode });
      this.#writeNetworks([...networksOf(before), ...networksOf(container)]);
      this.#replace(viewFile(inode), viewText(container.view));
    });
  }

  withdraw(id: ContainerId): void {
    const known = this.#containers.get(id);
    if (known === undefined) return;
    this.#change(() => {
      this.#containers.delete(id);
      this.#replace(viewFile(known.inode), undefined);
      this.#writeNetworks(networksOf(known));
    });
  }

  restore(containers: readonly NamedContainer[]): void {
    this.#containers.clear();
    // A launcher that was started before containers had names has made none; the next one gives it to the resolver.
    this.#change(() => mkdirSync(this.#folder, { recursive: true, mode: 0o750 }));
    for (const container of containers) this.publish(container);
    const kept = new Set<string>(['host']); // the launcher's copy of the host's resolv.conf
    for (const { inode, endpoints } of this.#containers.values()) {
      kept.add(viewFile(inode));
      for (const { network } of endpoints) kept.add(networkFile(network.id));
    }
    this.#change(() => {
      const left = readdirSync(this.#folder).filter((name) => !kept.has(name));
      for (const name of left) this.#replace(name, undefined);
    });
  }

  #change(work: () => void): void {
    try {
      work();
    } catch (error) {
      throw unavailable(`the names of containers cannot be written: ${errorMessage(error)}`, {
        cause: error,
      });
    }
  }

  #writeNetworks(ids: readonly NetworkId[]): void {
    for (const id of new Set(ids)) {
      const endpoints = [...this.#containers.values()].flatMap((container) => container.endpoints);
      this.#replace(networkFile(id), networkText(endpoints.filter(({ network }) => network.id === id)));
    }
  }

  /** Not made durable: the namespaces that it is about do not survive a power loss either. Undefined removes it. */
  #replace(name: string, text: string | undefined): void {
    const path = `${this.#folder}/${name}`;
    if (text === undefined) {
      rmSync(path, { force: true });
      return;
    }
    writeFileSync(`${path}.new`, text, { mode: 0o640 });
    renameSync(`${path}.new`, path);
  }
}

const networksOf = (container: NamedContainer | undefined) =>
  (container?.endpoints ?? []).map(({ network }) => network.id);

const viewFile = (inode: bigint) => `s-${inode}`;
const networkFile = (id: NetworkId) => `n-${id}`;
