import { invalid, type RawJson, rawJson } from '../base/index.ts';
import type { OciRlimit } from './oci-types.ts';

/** A limit as `--ulimit name=soft:hard` gives it; -1 is unlimited. */
export interface UlimitInput {
  readonly name: string;
  readonly soft: number;
  readonly hard: number;
}

/** The host's hard limits by their name in `--ulimit`; absent or Infinity: unlimited. */
export type HardLimits = Readonly<Record<string, number>>;

/** Names of `--ulimit` and how /proc/<pid>/limits prints them. */
const LIMITS: Readonly<Record<string, string>> = {
  core: 'Max core file size',
  cpu: 'Max cpu time',
  data: 'Max data size',
  fsize: 'Max file size',
  locks: 'Max file locks',
  memlock: 'Max locked memory',
  msgqueue: 'Max msgqueue size',
  nice: 'Max nice priority',
  nofile: 'Max open files',
  nproc: 'Max processes',
  rss: 'Max resident set',
  rtprio: 'Max realtime priority',
  rttime: 'Max realtime timeout',
  sigpending: 'Max pending signals',
  stack: 'Max stack size',
};

/**
 * Limits in the OCI form. One above the host's hard limit is lowered to it, with a warning, when
 * berth may not raise it (no CAP_SYS_RESOURCE). Throws `invalid` for unknown names and soft > hard.
 */
export function rlimits(
  inputs: readonly UlimitInput[],
  host: { readonly hardLimits: HardLimits; readonly capabilities: readonly string[] },
): { rlimits: OciRlimit[]; warnings: string[] } {
  const warnings: string[] = [];
  const mayRaise = host.capabilities.includes('CAP_SYS_RESOURCE');
  const limits = inputs.map((input) => {
    if (!(input.name in LIMITS)) throw invalid(`invalid ulimit type: ${input.name}`);
    const wanted = { soft: unlimitedAs(input.soft), hard: unlimitedAs(input.hard) };
    if (wanted.soft > wanted.hard) {
      throw invalid(
        `ulimit soft limit must be less than or equal to hard limit: ${input.soft} > ${input.hard}`,
      );
    }
    const ceiling = mayRaise ? Infinity : (host.hardLimits[input.name] ?? Infinity);
    if (wanted.hard > ceiling) {
      warnings.push(`ulimit ${input.name} was lowered to ${ceiling}: this host does not allow more`);
    }
    return {
      type: `RLIMIT_${input.name.toUpperCase()}`,
      soft: limitValue(Math.min(wanted.soft, ceiling)),
      hard: limitValue(Math.min(wanted.hard, ceiling)),
    };
  });
  return { rlimits: limits, warnings };
}

/** The hard limits in the text of /proc/self/limits. */
export function parseHardLimits(text: string): HardLimits {
  const limits: Record<string, number> = {};
  for (const [name, title] of Object.entries(LIMITS)) {
    const line = text.split('\n').find((one) => one.startsWith(`${title} `));
    const hard = line?.slice(title.length).trim().split(/\s+/)[1];
    if (hard !== undefined) limits[name] = hard === 'unlimited' ? Infinity : Number(hard);
  }
  return limits;
}

function unlimitedAs(value: number): number {
  return value < 0 ? Infinity : value;
}

/** RLIM_INFINITY is 2^64 - 1, above what a JavaScript number holds exactly. */
function limitValue(value: number): number | RawJson {
  return value === Infinity ? rawJson('18446744073709551615') : value;
}
