// Measures virtual machines, beside containers of the same image; writes its table into bench/README.md. The first
// argument is how many kernels are booted while both cores are busy (200).

import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { runChecked } from '../src/base/index.ts';
import { startRegistry } from '../test/fixtures/registry.ts';
import { docker, type Engine, findEngines, startBerthd } from './engines.ts';
import { time } from './hyperfine.ts';
import { writeSection } from './readme.ts';
import { currentLoad, machine, verdict } from './report.ts';

const KERNELS = `${process.env.BERTH_CACHE ?? '/var/cache/berth'}/machine-kernels`;
const TOGETHER = 20;
const VM = ['--runtime', 'vm'];

/** Milliseconds. */
interface Times {
  readonly warm: number;
  readonly warmBusy: number;
  readonly cold: number;
  /** Or why it failed. */
  readonly exec: number | string;
}

/** Of QEMU, in KiB. */
interface Memory {
  readonly resident: number;
  readonly own: number;
  readonly proportional: number;
}

async function main(): Promise<void> {
  const boots = Number(process.argv[2] ?? 200);
  const load = currentLoad();
  await using daemon = await startBerthd();
  await using registry = await startRegistry();
  const data = join(dirname(daemon.host.slice('unix://'.length)), 'data');
  if (existsSync(KERNELS)) cpSync(KERNELS, join(data, 'vm/kernels'), { recursive: true });
  const [berth, dockerd] = await enginesOf(daemon.host);
  const image = `${new URL(registry.url).host}/library/busybox:latest`;
  for (const engine of [berth, dockerd]) if (engine !== undefined) await docker(engine, 'pull', '-q', image);

  await docker(berth, 'run', '--rm', ...VM, image, 'true'); // makes the template
  const warm = await median(berth, ['run', '--rm', ...VM, image, 'true']);
  const container = dockerd && (await median(dockerd, ['run', '--rm', image, 'true']));
  const warmBusy = await whileBusy(() => median(berth, ['run', '--rm', ...VM, image, 'true']));
  const exec = await withMachine(berth, image, (name) =>
    median(berth, ['exec', name, 'true']).catch((error: Error) => error.message),
  );
  const idle = await withMachine(berth, image, (name) => settledMemory(berth, name));
  const together = await manyTogether(berth, image);
  keepNoTemplates(data);
  const cold = await median(berth, ['run', '--rm', ...VM, image, 'true'], 5);
  const hung = await whileBusy(() => bootMany(berth, image, boots));

  const text = table(
    load,
    await acceleratorOf(berth),
    { warm, warmBusy, cold, exec },
    { container, idle, together, boots, hung },
  );
  console.log(`\n${text}`);
  writeSection('vm', text);
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

async function median(engine: Engine, args: readonly string[], runs = 15): Promise<number> {
  const timing = await time(engine, { title: args.join(' '), args, runs });
  if (timing.state === 'failed') throw new Error(`${args.join(' ')}: ${timing.reason}`);
  console.log(`  ${engine.name}: ${args.join(' ')}: ${timing.medianMs.toFixed(0)} ms`);
  return timing.medianMs;
}

/** Does `work` while every processor computes for somebody else, too. */
async function whileBusy<T>(work: () => Promise<T>): Promise<T> {
  const busy: ChildProcess[] = cpus().map(() => spawn(process.execPath, ['-e', 'for (;;);']));
  try {
    return await work();
  } finally {
    for (const process of busy) process.kill();
  }
}

async function withMachine<T>(engine: Engine, image: string, work: (name: string) => Promise<T>): Promise<T> {
  const name = 'berth-bench-vm';
  await docker(engine, 'run', '-d', '--name', name, ...VM, '-m', '256m', image, 'sleep', '1000');
  try {
    return await work(name);
  } finally {
    await docker(engine, 'rm', '-f', name);
  }
}

/** Once two readings are the same: a guest gives memory back for some seconds after its start. */
async function settledMemory(engine: Engine, name: string): Promise<Memory> {
  let before: Memory | undefined;
  for (;;) {
    const now = await memoryOf(engine, name);
    if (before !== undefined && now.resident === before.resident && now.own === before.own) return now;
    before = now;
    await new Promise((resolve) => setTimeout(resolve, 3000));
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
    proportional: field('Pss'),
  };
}

/** What QEMU takes for many machines of one image that all run, in KiB for each. */
async function manyTogether(engine: Engine, image: string): Promise<number> {
  const names = Array.from({ length: TOGETHER }, (_, index) => `berth-bench-vm-${index}`);
  try {
    for (const name of names) {
      await docker(engine, 'run', '-d', '--name', name, ...VM, '-m', '256m', image, 'sleep', '1000');
    }
    const memory = await Promise.all(names.map((name) => memoryOf(engine, name)));
    return memory.reduce((sum, { proportional }) => sum + proportional, 0) / TOGETHER;
  } finally {
    await docker(engine, 'rm', '-f', ...names);
  }
}

/** Machines boot where templates have no place. */
function keepNoTemplates(data: string): void {
  const folder = join(data, 'vm/templates');
  for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true });
  rmSync(folder, { recursive: true });
  writeFileSync(folder, '');
}

/** How many of so many boots did not come to their end. */
async function bootMany(engine: Engine, image: string, boots: number): Promise<number> {
  let hung = 0;
  for (let boot = 0; boot < boots; boot++) {
    await docker(engine, 'run', '--rm', ...VM, image, 'true').catch((error: Error) => {
      console.error(`  boot ${boot}: ${error.message}`);
      hung += 1;
    });
  }
  return hung;
}

function table(
  load: number,
  accelerator: string,
  times: Times,
  seen: {
    readonly container: number | undefined;
    readonly idle: Memory;
    readonly together: number;
    readonly boots: number;
    readonly hung: number;
  },
): string {
  const row = (title: string, measured: string, goal = '') => `| ${title} | ${measured} | ${goal} |`;
  const within = (ms: number, goal: number) => verdict(`≤ ${goal}`, ms <= goal);
  const megabytes = (kib: number) => (kib * 1024) / 1e6;
  const { idle, together, boots, hung, container } = seen;
  return [
    `- ${machine(load)}`,
    `- accelerator: ${accelerator}; busybox, through the docker CLI; medians in milliseconds`,
    '',
    '| virtual machines | measured | goal |',
    '| - | - | - |',
    row('`run --rm --runtime vm`, from the template', times.warm.toFixed(0), within(times.warm, 600)),
    row('the same, both cores busy', times.warmBusy.toFixed(0)),
    row('the same, the kernel boots', times.cold.toFixed(0), within(times.cold, 1900)),
    row("dockerd's `run --rm` of a container", container?.toFixed(0) ?? 'no dockerd'),
    typeof times.exec === 'string'
      ? row('`exec true` in one that runs', `failed: ${times.exec}`, verdict('≤ 40', undefined))
      : row('`exec true` in one that runs', times.exec.toFixed(0), within(times.exec, 40)),
    row(
      'idle with 256 MiB: resident (MB)',
      megabytes(idle.resident).toFixed(0),
      within(megabytes(idle.resident), 65),
    ),
    row('idle with 256 MiB: private (MB)', megabytes(idle.own).toFixed(0), within(megabytes(idle.own), 45)),
    row(`${TOGETHER} at once: each one's share of memory (MB)`, megabytes(together).toFixed(0)),
    row(`${boots} boots, both cores busy: did not come to their end`, String(hung), verdict('0', hung === 0)),
  ].join('\n');
}

await main();
