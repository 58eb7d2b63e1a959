import type { RequestTrace } from '../client/index.ts';

/** Prints at the end of the process where its time went, for BERTH_TRACE=1. Returns what notes the requests. */
export function traceToStderr(): (request: RequestTrace) => void {
  const requests: RequestTrace[] = [];
  const ready = performance.now();
  process.once('exit', () => {
    process.stderr.write(timelineText(requests, { ready, end: performance.now() }));
  });
  return (request) => requests.push(request);
}

/** The timeline of a command: its requests and the engine's steps in them, in milliseconds since its process began. */
export function timelineText(
  requests: readonly RequestTrace[],
  { ready, end }: { ready: number; end: number },
): string {
  const rows = [
    { at: 0, duration: ready, what: 'the command loads' },
    ...requests.flatMap(({ name, start, duration, steps }) => [
      { at: start, duration, what: name },
      ...steps.map(({ name: step, description, ...when }) => ({
        at: start + when.start,
        duration: when.duration,
        what: `  ${step}${description === undefined ? '' : `: ${description}`}`,
      })),
    ]),
    { at: end, duration: 0, what: 'the command ends' },
  ];
  const lines = rows.map(
    ({ at, duration, what }) => `${at.toFixed(1).padStart(8)} ${duration.toFixed(1).padStart(8)}  ${what}`,
  );
  return ['timeline (ms)', '      at     took', ...lines, ''].join('\n');
}
