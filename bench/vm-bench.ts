import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { runChecked } from '../src/base/index.ts';
import { startRegistry } from '../test/fixtures/registry.ts';
import { dataRootOf } from './debian-systems.ts';
import { docker, type Engine, findEngines, startBerthd } from './engines.ts';
import { time } from './hyperfine.ts';

const KERNELS = `${process.env.BERTH_CACHE ?? '/var/cache/berth'}/machine-kernels`;

/** What makes the docker CLI's container a machine. */
export const VM = ['--runtime', 'vm'];

/** A berthd of its own with a kernel and busybox, and dockerd with the same image, if there is one. */
export interface MachineBench extends AsyncDisposable {
  readonly berth: Engine;
  readonly dockerd: Engine | undefined;
  readonly image: string;
  /** berthd's data root. */
  readonly data: string;
  /** What machines run on here, and why. */
  readonly accelerator: string;
}

export async function startMachineBench(): Promise<MachineBench> {
  await using cleanup = new AsyncDisposableStack();
  const daemon = cleanup.use(await startBerthd());
  const registry = cleanup.use(await startRegistry());
  const data = dataRootOf(daemon);
  if (existsSync(KERNELS)) cpSync(KERNELS, join(data, 'vm/kernels'), { recursive: true });
  const [berth, dockerd] = await enginesOf(daemon.host);
  const image = `${new URL(registry.url).host}/library/busybox:latest`;
  for (const engine of [berth, dockerd]) if (engine !== undefined) await docker(engine, 'pull', '-q', image);
  const accelerator = await acceleratorOf(berth);
  const closing = cleanup.move();
  return {
    ...{ berth, dockerd, image, data, accelerator },
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  };
}

async function enginesOf(host: string): Promise<[Engine, Engine | undefined]> {
  const engines = await findEngines(host);
  const berth = engines.find(({ name }) => name === 'berth');
  if (berth === undefined) throw new Error('berthd does not answer');
  return [berth, engines.find(({ name }) => name === 'dockerd')];
}

/** The docker CLI leaves out what it does not know. */
async function acceleratorOf({ host }: Engine): Promise<string> {
  const berth = join(import.meta.dirname, '../bin/berth');
  const { stdout } = await runChecked(berth, ['-H', host, 'info']);
  return /^ *Accelerator: (.*)$/m.exec(stdout.toString())?.[1] ?? 'unknown';
}

/** Milliseconds of a command of the docker CLI. */
export async function median(engine: Engine, args: readonly string[], runs = 15): Promise<number> {
  const timing = await time(engine, { title: args.join(' '), args, runs });
  if (timing.state === 'failed') throw new Error(`${args.join(' ')}: ${timing.reason}`);
  console.log(`  ${engine.name}: ${args.join(' ')}: ${timing.medianMs.toFixed(0)} ms`);
  return timing.medianMs;
}

/** Does `work` while every processor computes for somebody else, too. */
export async function whileBusy<T>(work: () => Promise<T>): Promise<T> {
  const busy: ChildProcess[] = cpus().map(() => spawn(process.execPath, ['-e', 'for (;;);']));
  try {
    return await work();
  } finally {
    for (const process of busy) process.kill();
  }
}

/** A machine of 256 MiB that waits, made with more options than that. */
export async function withMachine<T>(
  { berth, image }: Pick<MachineBench, 'berth' | 'image'>,
  options: readonly string[],
  work: (name: string) => Promise<T>,
): Promise<T> {
  const name = 'berth-bench-vm';
  await docker(berth, 'run', '-d', '--name', name, ...VM, '-m', '256m', ...options, image, 'sleep', '1000');
  try {
    return await work(name);
  } finally {
    await docker(berth, 'rm', '-f', name);
  }
}

/** Of QEMU, in KiB. */
export interface Memory {
  readonly resident: number;
  readonly own: number;
  /** Of that, what it has written: the rest are pages of files that nobody else has mapped just now. */
  readonly written: number;
  readonly proportional: number;
}

/** Once two readings are the same: a machine gives memory back for some seconds after its start. */
export async function settledMemory(engine: Engine, name: string): Promise<Memory> {
  let before: Memory | undefined;
  for (;;) {
    const now = await memoryOf(engine, name);
    if (before !== undefined && now.resident === before.resident && now.own === before.own) return now;
    before = now;
    await new Promise((resolve) => setTimeout(resolve, 6000));
  }
}

/** QEMU is the child of the machine's monitor, which is its PID 1 for the host. */
async function memoryOf(engine: Engine, name: string): Promise<Memory> {
  const monitor = await docker(engine, 'inspect', '-f', '{{.State.Pid}}', name);
  const [qemu] = readFileSync(`/proc/${monitor}/task/${monitor}/children`, 'utf8').split(' ');
  const text = readFileSync(`/proc/${qemu}/smaps_rollup`, 'utf8');
  const field = (title: string) => Number(new RegExp(`^${title}: +(\\d+) kB`, 'm').exec(text)?.[1]);
  return {
    resident: field('Rss'),
    own: field('Private_Clean') + field('Private_Dirty'),
    written: field('Private_Dirty'),
    proportional: field('Pss'),
  };
}

/** From now on machines boot, as templates have no place. */
export function keepNoTemplates(data: string): void {
  const folder = join(data, 'vm/templates');
  for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true });
  rmSync(folder, { recursive: true });
  writeFileSync(folder, '');
}
