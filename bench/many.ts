// Measures a berthd with many running containers: memory, ps, CPU while idle, mounts, and what one more start costs.
// Writes its table into bench/README.md. `many.ts 200` takes other numbers than 1000.

import { readFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { startRegistry } from '../test/fixtures/registry.ts';
import { ask, median, timed } from './api.ts';
import { type BenchDaemon, docker, startBerthd } from './engines.ts';
import { cpuSeconds, residentMemory, servingProcess } from './memory.ts';
import { writeSection } from './readme.ts';
import { machine, verdict } from './report.ts';

const [count = 1000] = process.argv.slice(2).map(Number);
/** Seconds in which nobody asks berthd for anything. */
const IDLE = 20;
const STARTS = 15;
const LISTS = 15;

interface Figures {
  /** Milliseconds. */
  readonly start: number;
  /** Milliseconds of `docker ps`, as a whole process, and of the request alone. */
  readonly ps: number;
  readonly list: number;
  /** MB. */
  readonly resident: number;
  /** Share of a core, in percent. */
  readonly idle: number;
  readonly mounts: number;
}

async function main(): Promise<void> {
  await using cleanup = new AsyncDisposableStack();
  const berthd = cleanup.use(await startBerthd());
  const registry = cleanup.use(await startRegistry());
  const load = loadavg()[0] ?? 0;
  const image = `${new URL(registry.url).host}/library/busybox:latest`;
  const engine = { name: 'berth', version: '', host: berthd.host, env: process.env };
  const pid = await servingProcess(socketOf(berthd));
  await docker(engine, 'pull', '-q', image);
  const measure = async (): Promise<Figures> => ({
    start: await median(STARTS, () =>
      timed(async () => {
        await docker(engine, 'run', '--rm', '--network', 'none', image, 'true');
      }),
    ),
    ps: await median(LISTS, () => timed(async () => void (await docker(engine, 'ps', '-q')))),
    list: await median(LISTS, () => timed(async () => void (await ask(berthd, 'GET', '/containers/json')))),
    idle: await idleShare(pid),
    resident: (residentMemory(pid) * 1024) / 1e6,
    mounts: readFileSync('/proc/self/mountinfo', 'utf8').split('\n').length,
  });
  const before = await measure();
  console.log('with none:', before);
  const began = performance.now();
  await startAll(berthd, image);
  const seconds = (performance.now() - began) / 1000;
  const after = await measure();
  console.log(`with ${count}, started in ${seconds.toFixed(0)} s:`, after);
  cleanup.defer(() => removeAll(berthd));
  const text = table(load, before, after, seconds);
  console.log(`\n${text}`);
  writeSection('many', text);
}

/** Ten at a time, over the API. */
async function startAll(berthd: BenchDaemon, image: string): Promise<void> {
  const body = { Image: image, Cmd: ['sleep', 'infinity'], HostConfig: { NetworkMode: 'none' } };
  const names = Array.from({ length: count }, (_, index) => `berth-bench-many-${index}`);
  await Promise.all(
    Array.from({ length: 10 }, async () => {
      for (let name = names.pop(); name !== undefined; name = names.pop()) {
        await ask(berthd, 'POST', `/containers/create?name=${name}`, body);
        await ask(berthd, 'POST', `/containers/${name}/start`);
      }
    }),
  );
}

async function removeAll(berthd: BenchDaemon): Promise<void> {
  const names = Array.from({ length: count }, (_, index) => `berth-bench-many-${index}`);
  await Promise.all(
    Array.from({ length: 10 }, async () => {
      for (let name = names.pop(); name !== undefined; name = names.pop())
        await ask(berthd, 'DELETE', `/containers/${name}?force=1`);
    }),
  );
}

function socketOf({ host }: BenchDaemon): string {
  return host.slice('unix://'.length);
}

/** The share of a core that a process takes while nobody asks it for anything, in percent. */
async function idleShare(pid: number): Promise<number> {
  await sleep(2000); // what the last request left to do
  const before = cpuSeconds(pid);
  await sleep(IDLE * 1000);
  return ((cpuSeconds(pid) - before) / IDLE) * 100;
}

function table(load: number, before: Figures, after: Figures, seconds: number): string {
  const row = (title: string, show: (figures: Figures) => string, goal = '') =>
    `| ${title} | ${show(before)} | ${show(after)} | ${goal} |`;
  const slower = after.start / before.start;
  return [
    `- ${machine(load)}`,
    `- ${count} containers that sleep, without a network; started in ${seconds.toFixed(0)} s, ten at a time; medians`,
    '',
    `| many containers | none running | ${count} running | goal |`,
    '| - | - | - | - |',
    row(
      'berthd, resident (MB)',
      ({ resident }) => resident.toFixed(0),
      verdict('< 200', after.resident < 200),
    ),
    row('docker ps -q, the whole process (ms)', ({ ps }) => ps.toFixed(0), verdict('< 50', after.ps < 50)),
    row('GET /containers/json alone (ms)', ({ list }) => list.toFixed(0)),
    row('berthd while idle (% of a core)', ({ idle }) => idle.toFixed(2), verdict('< 1', after.idle < 1)),
    row(
      "the host's mounts",
      ({ mounts }) => String(mounts),
      verdict('as before', after.mounts === before.mounts),
    ),
    row(
      'run --rm --network none IMAGE true (ms)',
      ({ start }) => start.toFixed(0),
      verdict('≤ 1.2 ×', slower <= 1.2),
    ),
  ].join('\n');
}

await main();
