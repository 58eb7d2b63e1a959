import type { ContainerId } from '../../base/index.ts';
import type { ExecSession } from '../../runtime/index.ts';

/** The health probes that run in containers now: to a stop they are no processes of the container. */
export class RunningProbes {
  readonly #pids = new Map<ContainerId, Set<number>>();
  readonly #starting = new Map<ContainerId, Promise<unknown>>();

  /** Starts a probe; its pid counts until it has ended. A container has one at a time. */
  async start(id: ContainerId, start: () => Promise<ExecSession>): Promise<ExecSession> {
    const starting = start();
    this.#starting.set(id, starting);
    try {
      const session = await starting;
      this.#add(id, session);
      return session;
    } finally {
      this.#starting.delete(id);
    }
  }

  /** In the host's numbers; one that is being started is waited for. */
  async pidsOf(id: ContainerId): Promise<ReadonlySet<number>> {
    await this.#starting.get(id)?.catch(() => {}); // then there is no probe
    return this.#pids.get(id) ?? new Set();
  }

  #add(id: ContainerId, { pid, exited }: ExecSession): void {
    const pids = this.#pids.get(id) ?? new Set();
    this.#pids.set(id, pids.add(pid));
    void exited.then(() => {
      pids.delete(pid);
      if (pids.size === 0) this.#pids.delete(id);
    });
  }
}
