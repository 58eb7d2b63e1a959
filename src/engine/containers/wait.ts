import type { ContainerId } from '../../base/index.ts';
import { isAlive } from './container.ts';
import type { ContainerContext } from './context.ts';

/** When a wait ends (Engine API, ContainerWait). */
export type WaitCondition = 'not-running' | 'next-exit' | 'removed';

export interface WaitResult {
  readonly exitCode: number;
  readonly error?: string;
}

/** Who waits for which container to end or to be removed. */
export class Endings {
  readonly #waiters = new Map<ContainerId, Set<Waiter>>();

  /** Resolves at the next end that `condition` names. */
  next(id: ContainerId, condition: 'next-exit' | 'removed', signal: AbortSignal): Promise<WaitResult> {
    const { promise, resolve, reject } = Promise.withResolvers<WaitResult>();
    const waiter = { condition, resolve };
    const waiters = this.#waiters.get(id) ?? new Set();
    this.#waiters.set(id, waiters.add(waiter));
    const abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    return promise.finally(() => {
      signal.removeEventListener('abort', abort);
      waiters.delete(waiter);
      if (waiters.size === 0) this.#waiters.delete(id);
    });
  }

  /** Tells everyone who waits for this. */
  announce(id: ContainerId, condition: 'next-exit' | 'removed', result: WaitResult): void {
    for (const waiter of [...(this.#waiters.get(id) ?? [])]) {
      if (waiter.condition === condition) waiter.resolve(result);
    }
  }
}

interface Waiter {
  readonly condition: 'next-exit' | 'removed';
  readonly resolve: (result: WaitResult) => void;
}

/** Waits as `docker wait` does; the caller is registered when this returns its promise. */
export function waitForContainer(
  context: ContainerContext,
  reference: string,
  condition: WaitCondition,
  signal: AbortSignal,
): Promise<WaitResult> {
  const { id, state } = context.collection.find(reference);
  if (condition !== 'not-running') return context.endings.next(id, condition, signal);
  if (isAlive(state)) return context.endings.next(id, 'next-exit', signal);
  if (state.status === 'created') return Promise.resolve({ exitCode: state.error?.exitCode ?? 0 });
  return Promise.resolve({ exitCode: state.exitCode });
}
