import type { Filters, Transport } from './transport.ts';
import type { Volume, VolumeCreateRequest, VolumeList, VolumesPruned } from './types/index.ts';

/** The /volumes part of the API. */
export class Volumes {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  async list(options: { filters?: Filters; signal?: AbortSignal } = {}): Promise<VolumeList> {
    return this.#transport.json({ method: 'GET', path: '/volumes', ...options });
  }

  async inspect(name: string, options: { signal?: AbortSignal } = {}): Promise<Volume> {
    return this.#transport.json({ method: 'GET', path: pathOf(name), ...options });
  }

  /** Creates it, or returns the one that has the name and the driver already. */
  async create(request: VolumeCreateRequest, options: { signal?: AbortSignal } = {}): Promise<Volume> {
    return this.#transport.json({ method: 'POST', path: '/volumes/create', json: request, ...options });
  }

  async remove(name: string, options: { force?: boolean; signal?: AbortSignal } = {}): Promise<void> {
    const { force, signal } = options;
    await this.#transport.run({ method: 'DELETE', path: pathOf(name), query: { force }, signal });
  }

  /** Removes the volumes that no container uses: the anonymous ones, or all with the filter `all=true`. */
  async prune(options: { filters?: Filters; signal?: AbortSignal } = {}): Promise<VolumesPruned> {
    return this.#transport.json({ method: 'POST', path: '/volumes/prune', ...options });
  }
}

function pathOf(name: string): string {
  return `/volumes/${encodeURIComponent(name)}`;
}
