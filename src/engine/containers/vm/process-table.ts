import { notImplemented } from '../../../base/index.ts';
import type { GuestRecord } from '../../../vm/index.ts';
import type { ProcessTable } from '../processes.ts';
import { guestMemory } from './usage.ts';

/** What the columns are made from beside a process itself. */
interface Clock {
  /** Seconds since the epoch. */
  readonly bootedAt: number;
  readonly now: Date;
  /** Bytes. */
  readonly memory: number;
}

interface Column {
  readonly title: string;
  readonly value: (process: Process, clock: Clock) => string;
}

/** A process as ps(1) shows it. Times are seconds, sizes KiB. */
interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly name: string;
  readonly command: string;
  readonly user: string;
  readonly uid: string;
  readonly state: string;
  readonly terminal: string;
  readonly used: number;
  /** After the boot. */
  readonly startedAfter: number;
  readonly virtual: number;
  readonly resident: number;
  readonly threads: number;
  readonly nice: number;
}

/** The columns of `ps -ef` and `ps aux`, by their words for `-o`. */
const LONG = ['user', 'pid', 'ppid', 'c', 'stime', 'tty', 'time', 'cmd'];
const WIDE = ['user', 'pid', '%cpu', '%mem', 'vsz', 'rss', 'tty', 'stat', 'start', 'time', 'command'];

const COLUMNS: Readonly<Record<string, Column>> = {
  user: { title: 'USER', value: ({ user }) => user },
  uid: { title: 'UID', value: ({ uid }) => uid },
  pid: { title: 'PID', value: ({ pid }) => String(pid) },
  ppid: { title: 'PPID', value: ({ parent }) => String(parent) },
  c: { title: 'C', value: (process, clock) => String(Math.floor(share(process, clock))) },
  '%cpu': { title: '%CPU', value: (process, clock) => share(process, clock).toFixed(1) },
  '%mem': {
    title: '%MEM',
    value: ({ resident }, { memory }) => (memory === 0 ? 0 : (resident * 102_400) / memory).toFixed(1),
  },
  vsz: { title: 'VSZ', value: ({ virtual }) => String(virtual) },
  rss: { title: 'RSS', value: ({ resident }) => String(resident) },
  tty: { title: 'TTY', value: ({ terminal }) => terminal },
  stat: { title: 'STAT', value: ({ state }) => state },
  stime: { title: 'STIME', value: startTime },
  start: { title: 'START', value: startTime },
  time: { title: 'TIME', value: ({ used }) => usedTime(used) },
  comm: { title: 'COMMAND', value: ({ name }) => name },
  args: { title: 'COMMAND', value: ({ command }) => command },
  command: { title: 'COMMAND', value: ({ command }) => command },
  cmd: { title: 'CMD', value: ({ command }) => command },
  nlwp: { title: 'NLWP', value: ({ threads }) => String(threads) },
  ni: { title: 'NI', value: ({ nice }) => String(nice) },
};

/**
 * A guest's processes as `ps` would show them with these options, by the guest's own numbers. Throws `not-implemented` for
 * options beyond those that everybody uses: the host's `ps` sees nothing of a guest.
 */
export function guestProcessTable(
  records: readonly GuestRecord[],
  options: readonly string[],
  guest: { readonly accounts: ReadonlyMap<string, string>; readonly now?: Date },
): ProcessTable {
  const { accounts, now = new Date() } = guest;
  const { names, titles } = chosenColumns(options);
  const clock: Clock = {
    bootedAt: Number(/^btime (\d+)$/m.exec(accounts.get('stat') ?? '')?.[1] ?? 0),
    now,
    memory: guestMemory(accounts),
  };
  const numbers = new Map(records.map((record) => [record.pid, innerNumber(record)]));
  const processes = records.map((record) => parseRecord(record, numbers));
  return {
    titles,
    processes: processes.map((process) => names.map((name) => COLUMNS[name]?.value(process, clock) ?? '')),
  };
}

function chosenColumns(options: readonly string[]): { names: readonly string[]; titles: readonly string[] } {
  const titlesOf = (names: readonly string[]) => names.map((name) => COLUMNS[name]?.title ?? name);
  const [first = '', ...rest] = options;
  if (rest.length === 0 && ['-ef', '-e', '-A', '-f', '-Af'].includes(first)) {
    // -f has the user's name in the column UID.
    return { names: LONG, titles: ['UID', ...titlesOf(LONG.slice(1))] };
  }
  if (rest.length === 0 && ['aux', '-aux', 'axu'].includes(first))
    return { names: WIDE, titles: titlesOf(WIDE) };
  const list = /^(?:-?e?A?o)(.*)$/.exec(first)?.[1];
  const names = [list ?? '', ...rest].flatMap((text) => text.split(',')).filter(Boolean);
  const unknown = names.find((name) => COLUMNS[name] === undefined);
  if (list === undefined || names.length === 0 || unknown !== undefined) {
    throw notImplemented(`ps ${options.join(' ')} cannot be told of a virtual machine`, {
      hint: `Of its guest there are -ef, aux, and -o with some of ${Object.keys(COLUMNS).join(',')}; or run ps inside with exec`,
    });
  }
  return { names, titles: titlesOf(names) };
}

const TICKS = 100;
const PAGE_KIB = 4;

/** The number in the namespace of the processes, which is the last one that the kernel tells. */
function innerNumber({ pid, status }: GuestRecord): number {
  return Number(/^NSpid:.*\s(\d+)$/m.exec(status)?.[1] ?? pid);
}

/** A process names itself as it likes: what a terminal takes for a command is a question mark, as with ps. */
function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '?');
}

function parseRecord(
  { pid, stat, status, command, user }: GuestRecord,
  numbers: ReadonlyMap<number, number>,
): Process {
  const name = /\((.*)\)/s.exec(stat)?.[1] ?? '';
  // From the state on, which is the third (proc(5)).
  const rest = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const field = (number: number) => Number(rest[number - 3] ?? 0);
  return {
    pid: numbers.get(pid) ?? pid,
    parent: numbers.get(field(4)) ?? 0, // another's is outside of what they see
    name: printable(name),
    command: printable(command.length === 0 ? `[${name}]` : command.join(' ')),
    user: printable(user),
    uid: /^Uid:\s+\d+\s+(\d+)/m.exec(status)?.[1] ?? '',
    state: printable(rest[0] ?? ''),
    terminal: terminalName(field(7)),
    used: (field(14) + field(15)) / TICKS,
    startedAfter: field(22) / TICKS,
    virtual: Math.round(field(23) / 1024),
    resident: field(24) * PAGE_KIB,
    threads: field(20),
    nice: field(19),
  };
}

/** Unix98 ptys have the majors 136 to 143 (the kernel's devices.txt). */
function terminalName(device: number): string {
  const major = (device >> 8) & 0xfff;
  if (major < 136 || major > 143) return '?';
  return `pts/${(major - 136) * 256 + (device & 0xff)}`;
}

/** Per cent of one processor, over the process's life. */
function share({ used, startedAfter }: Process, { bootedAt, now }: Clock): number {
  const lived = now.getTime() / 1000 - bootedAt - startedAfter;
  return lived <= 0 ? 0 : Math.max(0, (used * 100) / lived);
}

/** "21:07", or "Nov24" for what began a day ago or earlier. */
function startTime({ startedAfter }: Process, { bootedAt, now }: Clock): string {
  const start = new Date((bootedAt + startedAfter) * 1000);
  if (now.getTime() - start.getTime() < 24 * 3600 * 1000) return start.toTimeString().slice(0, 5);
  const [, month = '', day = ''] = start.toDateString().split(' ');
  return `${month}${day}`;
}

function usedTime(seconds: number): string {
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0');
  return `${two(seconds / 3600)}:${two((seconds / 60) % 60)}:${two(seconds % 60)}`;
}
