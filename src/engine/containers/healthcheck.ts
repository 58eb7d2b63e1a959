import type { ImageRuntimeConfig } from '../../store/index.ts';
import { type NetworkProbe, parseNetworkProbe } from './network-probe.ts';

export type HealthStatus = 'starting' | 'healthy' | 'unhealthy';

/**
 * How to find out whether a container is well (Engine API, HealthConfig). 0 and an empty test: Docker's default. A command that is
 * a URL of the schemes http and tcp is no command, but a probe that the engine makes itself.
 */
export interface Healthcheck {
  /** "CMD" and arguments, "CMD-SHELL" and a line for the shell, or "NONE". */
  readonly test: readonly string[];
  /** Nanoseconds between the end of a probe and the next. */
  readonly interval: number;
  /** Nanoseconds that a probe may run. */
  readonly timeout: number;
  /** Nanoseconds after the start in which failures do not count. */
  readonly startPeriod: number;
  /** Nanoseconds between probes in the start period, until one succeeds. */
  readonly startInterval: number;
  /** So many failures in a row make the container unhealthy. */
  readonly retries: number;
}

/** What the request leaves open comes from the image, member by member; undefined when neither has a health check. */
export function mergeHealthcheck(
  own: Healthcheck | undefined,
  image: ImageRuntimeConfig['Healthcheck'],
): Healthcheck | undefined {
  const inherited = image === undefined || image === null ? undefined : imageHealthcheck(image);
  if (own === undefined || inherited === undefined) return own ?? inherited;
  return {
    test: own.test.length === 0 ? inherited.test : own.test,
    interval: own.interval || inherited.interval,
    timeout: own.timeout || inherited.timeout,
    startPeriod: own.startPeriod || inherited.startPeriod,
    startInterval: own.startInterval || inherited.startInterval,
    retries: own.retries || inherited.retries,
  };
}

/** The image's words are not ours: a member of another type counts as missing. */
function imageHealthcheck(image: Readonly<Record<string, unknown>>): Healthcheck {
  const number = (name: string) => {
    const value = image[name];
    return typeof value === 'number' && value > 0 ? value : 0;
  };
  const { Test: test } = image;
  return {
    test: Array.isArray(test) ? test.filter((part) => typeof part === 'string') : [],
    interval: number('Interval'),
    timeout: number('Timeout'),
    startPeriod: number('StartPeriod'),
    startInterval: number('StartInterval'),
    retries: number('Retries'),
  };
}

/** Docker's defaults in place of what was left open; times in milliseconds. */
export interface ProbePlan {
  readonly probe: Probe;
  readonly interval: number;
  readonly timeout: number;
  readonly startPeriod: number;
  readonly startInterval: number;
  readonly retries: number;
}

/** A command to run in the container, or a connection to make in its network. */
export type Probe = { readonly kind: 'command'; readonly args: readonly string[] } | NetworkProbe;

const DEFAULT_SHELL = ['/bin/sh', '-c'];
const SECOND = 1e9;

/**
 * How a container is probed; undefined when its health is not checked. As in Docker an unknown kind of test checks nothing.
 * Throws `invalid` for a wrong URL.
 */
export function probePlan({
  healthcheck,
  shell,
}: {
  readonly healthcheck: Healthcheck | undefined;
  readonly shell: readonly string[] | undefined;
}): ProbePlan | undefined {
  const [kind, ...command] = healthcheck?.test ?? [];
  if (healthcheck === undefined || (kind !== 'CMD' && kind !== 'CMD-SHELL')) return undefined;
  return {
    probe: parseNetworkProbe(command) ?? {
      kind: 'command',
      args: kind === 'CMD' ? command : [...(shell ?? DEFAULT_SHELL), ...command],
    },
    interval: milliseconds(healthcheck.interval || 30 * SECOND),
    timeout: milliseconds(healthcheck.timeout || 30 * SECOND),
    startPeriod: milliseconds(healthcheck.startPeriod),
    startInterval: milliseconds(healthcheck.startInterval || 5 * SECOND),
    retries: healthcheck.retries || 3,
  };
}

/** Node's timers end here (24.8 days); a longer one would fire at once. */
const LONGEST_TIMER = 2 ** 31 - 1;

function milliseconds(nanoseconds: number): number {
  return Math.min(Math.ceil(nanoseconds / 1e6), LONGEST_TIMER);
}
