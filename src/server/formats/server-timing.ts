import type { Timeline } from '../../base/index.ts';

/** A timeline as a Server-Timing header (W3C Server Timing); `start` is a parameter of ours, and a description is percent-encoded. Milliseconds. */
export function serverTiming(timeline: Timeline): string {
  return timeline.steps
    .map(({ name, start, duration, description }) => {
      const more = description === undefined ? '' : `;desc=${encodeURIComponent(description)}`;
      return `${name};start=${start.toFixed(2)};dur=${duration.toFixed(2)}${more}`;
    })
    .join(', ');
}
