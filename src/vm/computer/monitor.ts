import type { ComputerEvent } from './events.ts';

/** What is asked of a computer that runs: `ComputerControl` is one. */
export interface ComputerMonitor {
  /** What a command of QEMU's returns. Throws `unavailable` with QEMU's words when it refuses. */
  execute(
    command: string,
    args?: Readonly<Record<string, unknown>>,
    options?: { readonly descriptor?: number; readonly signal?: AbortSignal },
  ): Promise<unknown>;
  /** QEMU's events from now on. */
  events(signal?: AbortSignal): Promise<ComputerEventStream>;
}

export interface ComputerEventStream extends AsyncDisposable {
  /** The next one for which `matches` holds; those before it are gone. */
  find(matches: (event: ComputerEvent) => boolean): Promise<ComputerEvent>;
}
