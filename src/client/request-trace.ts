import type { TimelineStep } from '../base/index.ts';

/** One request as it went; milliseconds since the process began. */
export interface RequestTrace extends TimelineStep {
  /** What the engine says of its own steps; their starts count from when it took the request up. */
  readonly steps: readonly TimelineStep[];
}

/** Reads a Server-Timing header (W3C Server Timing); what it does not understand it leaves out. */
export function parseServerTiming(header: string): TimelineStep[] {
  return header.split(',').flatMap((metric) => {
    const [name = '', ...parameters] = metric.split(';').map((part) => part.trim());
    const textOf = (parameter: string) =>
      parameters.find((text) => text.startsWith(`${parameter}=`))?.slice(parameter.length + 1);
    const [start, duration] = [Number(textOf('start') ?? NaN), Number(textOf('dur') ?? NaN)];
    const text = textOf('desc');
    const description = text === undefined ? {} : { description: decoded(text) };
    return name !== '' && Number.isFinite(start + duration)
      ? [{ name, start, duration, ...description }]
      : [];
  });
}

/** A description that is not percent-encoded as it should be stays as it came. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
