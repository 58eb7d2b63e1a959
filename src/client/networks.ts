import type { Filters, Transport } from './transport.ts';
import type {
  EndpointSettings,
  Network,
  NetworkCreated,
  NetworkCreateRequest,
  NetworksPruned,
} from './types/index.ts';

/** The /networks part of the API. */
export class Networks {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  async list(options: { filters?: Filters; signal?: AbortSignal } = {}): Promise<readonly Network[]> {
    return this.#transport.json({ method: 'GET', path: '/networks', ...options });
  }

  async inspect(
    reference: string,
    options: { verbose?: boolean; signal?: AbortSignal } = {},
  ): Promise<Network> {
    const { verbose, signal } = options;
    return this.#transport.json({ method: 'GET', path: pathOf(reference), query: { verbose }, signal });
  }

  async create(
    request: NetworkCreateRequest,
    options: { signal?: AbortSignal } = {},
  ): Promise<NetworkCreated> {
    return this.#transport.json({ method: 'POST', path: '/networks/create', json: request, ...options });
  }

  async remove(reference: string, options: { signal?: AbortSignal } = {}): Promise<void> {
    await this.#transport.run({ method: 'DELETE', path: pathOf(reference), ...options });
  }

  async connect(
    reference: string,
    container: string,
    options: { endpoint?: EndpointSettings; signal?: AbortSignal } = {},
  ): Promise<void> {
    const { endpoint, signal } = options;
    const json = { Container: container, ...(endpoint === undefined ? {} : { EndpointConfig: endpoint }) };
    await this.#transport.run({ method: 'POST', path: `${pathOf(reference)}/connect`, json, signal });
  }

  async disconnect(
    reference: string,
    container: string,
    options: { force?: boolean; signal?: AbortSignal } = {},
  ): Promise<void> {
    const { force = false, signal } = options;
    const json = { Container: container, Force: force };
    await this.#transport.run({ method: 'POST', path: `${pathOf(reference)}/disconnect`, json, signal });
  }

  /** Removes the networks that no container uses. */
  async prune(options: { filters?: Filters; signal?: AbortSignal } = {}): Promise<NetworksPruned> {
    return this.#transport.json({ method: 'POST', path: '/networks/prune', ...options });
  }
}

function pathOf(reference: string): string {
  return `/networks/${encodeURIComponent(reference)}`;
}
