const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGALRM'] as const;

/** Whom a forwarded signal is for. */
export type SignalScope = 'pid1' | 'container';

/**
 * Passes signals that this process gets on to a container, until disposed. Ctrl-C is for every process, as on a terminal
 * of the container's own: a plain `sh -c` would wait for its child, which had not heard of it.
 */
export function forwardSignals(send: (signal: string, scope: SignalScope) => Promise<void>): Disposable {
  const forward = (signal: NodeJS.Signals) => {
    // The container may have ended at the same moment: then its exit is what we report.
    void send(signal.replace(/^SIG/, ''), signal === 'SIGINT' ? 'container' : 'pid1').catch(() => {});
  };
  for (const signal of FORWARDED) process.on(signal, forward);
  return {
    [Symbol.dispose]: () => {
      for (const signal of FORWARDED) process.off(signal, forward);
    },
  };
}
