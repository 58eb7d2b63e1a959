import { jsonLines } from './streams.ts';
import type { Filters, Transport } from './transport.ts';
import type {
  BuildCachePruned,
  DataRootUsage,
  EngineEvent,
  EngineInfo,
  EngineVersion,
  RegistryAuth,
  SystemDiskUsage,
} from './types/index.ts';

/** The parts of the API that are about the engine itself. */
export class System {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** The API version that this client and the engine agreed on. */
  async apiVersion(options: { signal?: AbortSignal } = {}): Promise<string> {
    return this.#transport.version(options.signal);
  }

  async version(options: { signal?: AbortSignal } = {}): Promise<EngineVersion> {
    return this.#transport.json({ method: 'GET', path: '/version', ...options });
  }

  /** Asks whether a registry takes the credentials; throws `unauthorized` when it does not, and what else it says. */
  async login(
    auth: RegistryAuth,
    options: { signal?: AbortSignal } = {},
  ): Promise<{ readonly Status: string }> {
    return this.#transport.json({ method: 'POST', path: '/auth', json: auth, ...options });
  }

  async info(options: { signal?: AbortSignal } = {}): Promise<EngineInfo> {
    return this.#transport.json({ method: 'GET', path: '/info', ...options });
  }

  /** What images, containers, volumes and the build cache take. */
  async diskUsage(options: { signal?: AbortSignal } = {}): Promise<SystemDiskUsage> {
    return this.#transport.json({ method: 'GET', path: '/system/df', ...options });
  }

  /** What each byte below the engine's data root is there for; an extension of berth's. */
  async dataRoot(options: { signal?: AbortSignal } = {}): Promise<DataRootUsage> {
    return this.#transport.json({ method: 'GET', path: '/berth/data-root', ...options });
  }

  /** Takes things out of the build cache: what no image has, or `all`; the newest `keep` bytes stay. */
  async pruneBuildCache(
    options: { all?: boolean; keep?: number | undefined; filters?: Filters; signal?: AbortSignal } = {},
  ): Promise<BuildCachePruned> {
    const { all, keep, filters, signal } = options;
    const query = { all, 'reserved-space': keep };
    return this.#transport.json({ method: 'POST', path: '/build/prune', query, filters, signal });
  }

  /**
   * The engine's events. Resolves once the engine has subscribed us: nothing that happens later is missed.
   * Ends at `until` or by the signal; `since` and `until` are Unix seconds.
   */
  async events(
    options: { since?: string; until?: string; filters?: Filters; signal?: AbortSignal } = {},
  ): Promise<AsyncGenerator<EngineEvent>> {
    const { since, until, filters, signal } = options;
    const query = { since, until };
    const body = await this.#transport.stream({ method: 'GET', path: '/events', query, filters, signal });
    return jsonLines<EngineEvent>(body);
  }
}
