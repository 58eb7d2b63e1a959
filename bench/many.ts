// Measures a berthd with many running containers, without a network and on the bridge: memory, ps, CPU while idle, mounts,
// what one more start costs, and how soon all are removed. Writes its table into bench/README.md. `many.ts 200` takes
// other numbers than 1000.

import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask, median, timed } from './api.ts';
import { startBench } from './bench.ts';
import { type BenchDaemon, docker, type Engine } from './engines.ts';
import { cpuSeconds, residentMemory, servingProcess } from './memory.ts';
import { writeSection } from './readme.ts';
import { machine, verdict } from './report.ts';

const [count = 1000] = process.argv.slice(2).map(Number);
/** Seconds in which nobody asks berthd for anything. */
const IDLE = 10;
const STARTS = 15;
const LISTS = 15;

const NETWORKS = ['none', 'bridge'] as const;
type Network = (typeof NETWORKS)[number];

interface Figures {
  /** Milliseconds of `docker run --rm`, by the network of the container. */
  readonly starts: Readonly<Record<Network, number>>;
  /** Milliseconds of `docker ps`, as a whole process, and of the request alone. */
  readonly ps: number;
  readonly list: number;
  /** MB. */
  readonly resident: number;
  /** Share of a core, in percent. */
  readonly idle: number;
  readonly mounts: number;
}

/** With all of them running. */
interface Crowd extends Figures {
  readonly network: Network;
  /** Seconds. */
  readonly started: number;
  readonly removed: number;
}

async function main(): Promise<void> {
  await using cleanup = new AsyncDisposableStack();
  const { berthd, image, load } = cleanup.use(await startBench());
  const engine = { name: 'berth', version: '', host: berthd.host, env: process.env };
  const pid = await servingProcess(socketOf(berthd));
  await docker(engine, 'pull', '-q', image);
  const start = (network: Network) =>
    median(STARTS, () =>
      timed(async () => {
        await docker(engine, 'run', '--rm', '--network', network, image, 'true');
      }),
    );
  const measure = async (): Promise<Figures> => ({
    starts: { none: await start('none'), bridge: await start('bridge') },
    ps: await median(LISTS, () => timed(async () => void (await docker(engine, 'ps', '-q')))),
    list: await median(LISTS, () => timed(async () => void (await ask(berthd, 'GET', '/containers/json')))),
    idle: await idleShare(pid),
    resident: (residentMemory(pid) * 1024) / 1e6,
    mounts: readFileSync('/proc/self/mountinfo', 'utf8').split('\n').length,
  });
  const before = await measure();
  console.log('with none:', before);
  cleanup.defer(() => removeAll(engine));
  const crowds: Crowd[] = [];
  for (const network of NETWORKS) {
    const started = (await timed(() => startAll(berthd, image, network))) / 1000;
    const figures = await measure();
    const removed = (await timed(() => removeAll(engine))) / 1000;
    crowds.push({ ...figures, network, started, removed });
    console.log(`with ${count}:`, crowds.at(-1));
  }
  const text = table(load, before, crowds);
  console.log(`\n${text}`);
  writeSection('many', text);
}

/** Ten at a time, over the API. */
async function startAll(berthd: BenchDaemon, image: string, network: Network): Promise<void> {
  const body = { Image: image, Cmd: ['sleep', 'infinity'], HostConfig: { NetworkMode: network } };
  const names = namesOfAll();
  await Promise.all(
    Array.from({ length: 10 }, async () => {
      for (let name = names.pop(); name !== undefined; name = names.pop()) {
        await ask(berthd, 'POST', `/containers/create?name=${name}`, body);
        await ask(berthd, 'POST', `/containers/${name}/start`);
      }
    }),
  );
}

/** By one docker CLI, as a user would. */
async function removeAll(engine: Engine): Promise<void> {
  await docker(engine, 'rm', '-f', ...namesOfAll());
}

function namesOfAll(): string[] {
  return Array.from({ length: count }, (_, index) => `berth-bench-many-${index}`);
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

function table(load: number, before: Figures, crowds: readonly Crowd[]): string {
  const row = (title: string, show: (figures: Figures) => string, goal = '') =>
    `| ${[title, show(before), ...crowds.map(show), goal].join(' | ')} |`;
  const ofCrowds = (title: string, show: (crowd: Crowd) => string, goal = '') =>
    `| ${[title, '', ...crowds.map(show), goal].join(' | ')} |`;
  const all = (holds: (crowd: Crowd) => boolean) => crowds.every(holds);
  const startRow = (network: Network) =>
    row(
      `run --rm --network ${network} IMAGE true (ms)`,
      ({ starts }) => starts[network].toFixed(0),
      verdict(
        '≤ 1.2 ×',
        all(({ starts }) => starts[network] <= 1.2 * before.starts[network]),
      ),
    );
  const titles = ['many containers', 'none running', ...crowds.map(({ network }) => `${count}, ${network}`)];
  return [
    `- ${machine(load)}`,
    `- ${count} containers that sleep, without a network and then on the bridge; started ten at a time; medians`,
    '',
    `| ${[...titles, 'goal'].join(' | ')} |`,
    '| - | - | - | - | - |',
    row(
      'berthd, resident (MB)',
      ({ resident }) => resident.toFixed(0),
      verdict(
        '< 200',
        all(({ resident }) => resident < 200),
      ),
    ),
    row(
      'docker ps -q, the whole process (ms)',
      ({ ps }) => ps.toFixed(0),
      verdict(
        '< 50',
        all(({ ps }) => ps < 50),
      ),
    ),
    row('GET /containers/json alone (ms)', ({ list }) => list.toFixed(1)),
    row(
      'berthd while idle (% of a core)',
      ({ idle }) => idle.toFixed(2),
      verdict(
        '< 1',
        all(({ idle }) => idle < 1),
      ),
    ),
    row(
      "the host's mounts",
      ({ mounts }) => String(mounts),
      verdict(
        'as before',
        all(({ mounts }) => mounts === before.mounts),
      ),
    ),
    ...NETWORKS.map(startRow),
    ofCrowds('all started (s)', ({ started }) => started.toFixed(1)),
    ofCrowds(
      'docker rm -f of all (s)',
      ({ removed }) => removed.toFixed(1),
      verdict(
        '< 10',
        all(({ removed }) => removed < 10),
      ),
    ),
  ].join('\n');
}

await main();
