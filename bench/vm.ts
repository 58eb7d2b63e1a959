// Measures virtual machines, beside containers of the same image; writes its table into bench/README.md.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { docker, type Engine } from './engines.ts';
import { writeSection } from './readme.ts';
import { currentLoad, machine, verdict } from './report.ts';
import {
  keepNoTemplates,
  type MachineBench,
  type Memory,
  median,
  settledMemory,
  startMachineBench,
  VM,
  whileBusy,
  withMachine,
} from './vm-bench.ts';

const TOGETHER = 20;
const FILES = 5000;

/** Milliseconds. */
interface Times {
  readonly warm: number;
  readonly warmBusy: number;
  readonly cold: number;
  /** Or why it failed. */
  readonly exec: number | string;
}

/** Milliseconds to look at 5,000 files of a folder of the host's, by what shares it. */
interface Looks {
  readonly '9p': number;
  readonly virtiofs: number;
}

async function main(): Promise<void> {
  const load = currentLoad();
  await using bench = await startMachineBench();
  const { berth, dockerd, image, data } = bench;
  const run = ['run', '--rm', ...VM, image, 'true'];

  await docker(berth, ...run); // makes the template
  const warm = await median(berth, run);
  const container = dockerd && (await median(dockerd, ['run', '--rm', image, 'true']));
  const warmBusy = await whileBusy(() => median(berth, run));
  const exec = await withMachine(bench, [], (name) =>
    median(berth, ['exec', name, 'true']).catch((error: Error) => error.message),
  );
  const idle = await withMachine(bench, [], (name) => settledMemory(berth, name));
  const together = await manyTogether(berth, image);
  const looks = await looksAtFiles(bench);
  keepNoTemplates(data);
  const cold = await median(berth, run, 5);

  const text = table(
    load,
    bench.accelerator,
    { warm, warmBusy, cold, exec },
    { container, idle, together, looks },
  );
  console.log(`\n${text}`);
  writeSection('vm', text);
}

async function looksAtFiles(bench: MachineBench): Promise<Looks> {
  const folder = mkdtempSync(join(tmpdir(), 'berth-bench-'));
  for (let index = 0; index < FILES; index++) writeFileSync(join(folder, `file-${index}`), String(index));
  // No file is as large as that, so there is nothing to print; but each is looked at.
  const look = (by: string) =>
    withMachine(bench, ['--annotation', `berth.shares=${by}`, '-v', `${folder}:/shared`], (name) =>
      median(bench.berth, ['exec', name, 'find', '/shared', '-type', 'f', '-size', '+1000000'], 5),
    );
  try {
    return { '9p': await look('9p'), virtiofs: await look('virtiofs') };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What QEMU takes for many machines of one image that all run, in KiB for each. */
async function manyTogether(engine: Engine, image: string): Promise<number> {
  const names = Array.from({ length: TOGETHER }, (_, index) => `berth-bench-vm-${index}`);
  try {
    for (const name of names) {
      await docker(engine, 'run', '-d', '--name', name, ...VM, '-m', '256m', image, 'sleep', '1000');
    }
    const memory = await Promise.all(names.map((name) => settledMemory(engine, name)));
    return memory.reduce((sum, { proportional }) => sum + proportional, 0) / TOGETHER;
  } finally {
    await docker(engine, 'rm', '-f', ...names);
  }
}

function table(
  load: number,
  accelerator: string,
  times: Times,
  seen: {
    readonly container: number | undefined;
    readonly idle: Memory;
    readonly together: number;
    readonly looks: Looks;
  },
): string {
  const row = (title: string, measured: string, goal = '') => `| ${title} | ${measured} | ${goal} |`;
  const within = (ms: number, goal: number) => verdict(`≤ ${goal}`, ms <= goal);
  const megabytes = (kib: number) => (kib * 1024) / 1e6;
  const { idle, together, looks, container } = seen;
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
    row('of that, written by it or its guest (MB)', megabytes(idle.written).toFixed(0)),
    row(`${TOGETHER} at once: each one's share of memory (MB)`, megabytes(together).toFixed(0)),
    row(
      `${FILES} small files of a bind mount looked at, by 9p`,
      looks['9p'].toFixed(0),
      within(looks['9p'], 3000),
    ),
    row('the same by virtiofs', looks.virtiofs.toFixed(0), within(looks.virtiofs, 500)),
  ].join('\n');
}

await main();
