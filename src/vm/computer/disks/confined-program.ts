import { randomInt } from 'node:crypto';

/** Limits of a program that reads what somebody else has made. */
export interface Limits {
  /** Of the processor's time. */
  readonly cpuSeconds: number;
  /** Of address space, in bytes. */
  readonly memory: number;
  /** Of real time: a disk that does not answer takes no processor. */
  readonly milliseconds: number;
}

/** What a program may do. */
export interface Confinement {
  readonly limits: Limits;
  /**
   * A user and group that nobody else on the host is ({@link strangerId}). Undefined: root without any capability, for files
   * that only berth has written.
   */
  readonly user: number | undefined;
  /** Whether it may write to files at all. */
  readonly writes: boolean;
}

/** Users from here on are given out by nobody: below those of machines, far above those that useradd(8) and subuid(5) give. */
const FIRST_STRANGER = 0x7000_0000;
const STRANGERS = 0x0fff_0000;

/** A user for one run of one program: drawn, so that two that run at the same time cannot touch each other. */
export function strangerId(): number {
  return FIRST_STRANGER + randomInt(STRANGERS);
}

/**
 * The words that run a program confined: limits, no network, no capability, and it ends with berthd. They replace each other by
 * exec(2), so that one process is all there is to end.
 */
export function confinedCommand(
  { limits, user, writes }: Confinement,
  program: string,
  args: readonly string[],
): { readonly file: string; readonly args: readonly string[] } {
  const { cpuSeconds, memory } = limits;
  const identity = user === undefined ? [] : [`--reuid=${user}`, `--regid=${user}`, '--clear-groups'];
  return {
    file: 'prlimit',
    args: [
      ...[`--cpu=${cpuSeconds}`, `--as=${memory}`, '--core=0', ...(writes ? [] : ['--fsize=0']), '--'],
      ...['unshare', '--net', '--ipc', '--'],
      ...['setpriv', ...identity, '--inh-caps=-all', '--bounding-set=-all', '--no-new-privs'],
      ...['--pdeathsig=KILL', '--', program, ...args],
    ],
  };
}
