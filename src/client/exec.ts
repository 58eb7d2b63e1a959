import type { HijackedStream, Transport } from './transport.ts';
import type { ExecCreateRequest, ExecInspect } from './types/index.ts';

/** The /exec part of the API: further processes in a running container. */
export class Exec {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Prepares a process in a container; returns its id. */
  async create(
    container: string,
    request: ExecCreateRequest,
    options: { signal?: AbortSignal } = {},
  ): Promise<string> {
    const path = `/containers/${encodeURIComponent(container)}/exec`;
    const { Id } = await this.#transport.json<{ Id: string }>({
      method: 'POST',
      path,
      json: request,
      ...options,
    });
    return Id;
  }

  /** Starts it and takes over a connection to its terminal or pipes. */
  async start(id: string, options: { tty?: boolean; signal?: AbortSignal } = {}): Promise<HijackedStream> {
    const { tty = false, signal } = options;
    const json = { Detach: false, Tty: tty };
    return this.#transport.hijack({ method: 'POST', path: pathOf(id, 'start'), json, signal });
  }

  /** Starts it and leaves it alone. */
  async startDetached(id: string, options: { tty?: boolean; signal?: AbortSignal } = {}): Promise<void> {
    const { tty = false, signal } = options;
    const json = { Detach: true, Tty: tty };
    await this.#transport.run({ method: 'POST', path: pathOf(id, 'start'), json, signal });
  }

  async inspect(id: string, options: { signal?: AbortSignal } = {}): Promise<ExecInspect> {
    return this.#transport.json({ method: 'GET', path: pathOf(id, 'json'), ...options });
  }

  /** Tells the terminal's size in characters. */
  async resize(
    id: string,
    size: { rows: number; columns: number },
    options: { signal?: AbortSignal } = {},
  ): Promise<void> {
    const query = { h: size.rows, w: size.columns };
    await this.#transport.run({ method: 'POST', path: pathOf(id, 'resize'), query, ...options });
  }
}

function pathOf(id: string, action: string): string {
  return `/exec/${encodeURIComponent(id)}/${action}`;
}
