import type { Transport } from './transport.ts';
import type { MachineSnapshot, MachineSnapshotDone } from './types/index.ts';

/** Saved moments of machines. A `reference` is a machine's name, its id, or the unique start of one. */
export class MachineSnapshots {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** The oldest first. */
  async list(reference: string, options: { signal?: AbortSignal } = {}): Promise<readonly MachineSnapshot[]> {
    return this.#transport.json({ method: 'GET', path: pathOf(reference), ...options });
  }

  /** Saves the disks and, but for `disks`, the memory of one that runs: it goes on meanwhile. */
  async create(
    reference: string,
    name: string,
    options: { disks?: boolean; signal?: AbortSignal } = {},
  ): Promise<MachineSnapshotDone> {
    const { disks, signal } = options;
    const json = { Name: name, DisksOnly: disks };
    return this.#transport.json({ method: 'POST', path: pathOf(reference), json, signal });
  }

  /**
   * Makes a stopped machine what it was: with memory in the snapshot it runs from there, unless `disks` asks for its disks
   * alone. `force` ends one that runs.
   */
  async restore(
    reference: string,
    name: string,
    options: { force?: boolean; disks?: boolean; signal?: AbortSignal } = {},
  ): Promise<MachineSnapshotDone> {
    const { signal, ...query } = options;
    const path = `${pathOf(reference, name)}/restore`;
    return this.#transport.json({ method: 'POST', path, query: { ...query }, signal });
  }

  async remove(reference: string, name: string, options: { signal?: AbortSignal } = {}): Promise<void> {
    await this.#transport.run({ method: 'DELETE', path: pathOf(reference, name), ...options });
  }
}

function pathOf(reference: string, name?: string): string {
  const all = `/berth/machines/${encodeURIComponent(reference)}/snapshots`;
  return name === undefined ? all : `${all}/${encodeURIComponent(name)}`;
}
