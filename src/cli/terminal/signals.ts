const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGALRM'] as const;

/** Passes signals that this process gets on to a container, until disposed. */
export function forwardSignals(send: (signal: string) => Promise<void>): Disposable {
  const forward = (signal: NodeJS.Signals) => {
    // The container may have ended at the same moment: then its exit is what we report.
    void send(signal.replace(/^SIG/, '')).catch(() => {});
  };
  for (const signal of FORWARDED) process.on(signal, forward);
  return {
    [Symbol.dispose]: () => {
      for (const signal of FORWARDED) process.off(signal, forward);
    },
  };
}
