// Measures how fast names on a network are answered, by berth and by a dockerd that is there; writes its table into bench/README.md.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runChecked } from '../src/base/index.ts';
import { startBench } from './bench.ts';
import { docker, type Engine, findEngines } from './engines.ts';
import { cpuSeconds } from './memory.ts';
import { writeSection } from './readme.ts';
import { machine, verdict } from './report.ts';

const root = join(import.meta.dirname, '..');
const NETWORK = 'berth-bench-names';
/** As many containers know each other's names while it is measured. */
const CONTAINERS = 20;
const QUESTIONS = 20_000;

interface Answers {
  /** Milliseconds. */
  readonly median: number;
  readonly p99: number;
  /** With 32 questions under way; the client is a Node program and takes its share of the machine. */
  readonly rate: number;
  /** Answers for a second of the answering process's CPU time; undefined where that process does other things too. */
  readonly perCpuSecond: number | undefined;
}

async function main(): Promise<void> {
  await using bench = await startBench();
  const { berthd, image, load } = bench;
  const engines = await findEngines(berthd.host);
  const measured = new Map<string, Answers>();
  for (const engine of engines.filter(({ name }) => name !== 'podman')) {
    measured.set(engine.name, await measure(engine, image));
  }
  const text = table(load, measured);
  console.log(`\n${text}`);
  writeSection('names', text);
}

async function measure(engine: Engine, image: string): Promise<Answers> {
  const names = Array.from({ length: CONTAINERS }, (_, index) => `berth-bench-name-${index}`);
  await using cleanup = new AsyncDisposableStack();
  await docker(engine, 'pull', '-q', image);
  await docker(engine, 'network', 'create', NETWORK);
  cleanup.defer(async () => {
    await docker(engine, 'rm', '-f', ...names);
    await docker(engine, 'network', 'rm', NETWORK);
  });
  for (const name of names) {
    await docker(engine, 'run', '-d', '--name', name, '--network', NETWORK, image, 'sleep', '1000');
  }
  const pid = await docker(engine, 'inspect', '-f', '{{.State.Pid}}', names[0] ?? '');
  const resolver = engine.name === 'berth' ? resolverOf(engine) : undefined;
  const before = resolver === undefined ? 0 : cpuSeconds(resolver);
  const { stdout } = await runChecked('nsenter', [
    `--net=/proc/${pid}/ns/net`,
    ...[process.execPath, join(root, 'bench/dns-load.ts'), names[1] ?? '', String(QUESTIONS)],
  ]);
  const perCpuSecond = resolver === undefined ? undefined : (2 * QUESTIONS) / (cpuSeconds(resolver) - before);
  const { times, rate } = JSON.parse(stdout.toString()) as { times: number[]; rate: number };
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor(sorted.length * share)] ?? Number.NaN;
  return { median: at(0.5), p99: at(0.99), rate, perCpuSecond };
}

/** The daemon for the benchmark has its socket beside its exec root. */
function resolverOf({ host }: Engine): number {
  const folder = host.slice('unix://'.length).replace(/\/[^/]*$/, '');
  return Number(readFileSync(`${folder}/run/r.pid`, 'utf8'));
}

function table(load: number, measured: ReadonlyMap<string, Answers>): string {
  const row = (title: string, show: (answers: Answers) => string, goal = '') =>
    `| ${[title, ...[...measured.values()].map(show), goal].join(' | ')} |`;
  const berth = measured.get('berth');
  if (berth === undefined) throw new Error('berth was not measured');
  const perCore = berth.perCpuSecond ?? 0;
  return [
    `- ${machine(load)}`,
    `- ${CONTAINERS} containers on one network; ${QUESTIONS} questions for one's name from another, by UDP`,
    '',
    `| names | ${[...measured.keys()].join(' | ')} | goal |`,
    `| - |${' - |'.repeat(measured.size + 1)}`,
    row('answer, median (ms)', ({ median }) => median.toFixed(3), verdict('< 1', berth.median < 1)),
    row('answer, 99 of 100 within (ms)', ({ p99 }) => p99.toFixed(3)),
    row('answers a second, 32 questions under way', ({ rate }) => rate.toFixed(0)),
    row(
      "answers for a second of the resolver's CPU time",
      ({ perCpuSecond }) => perCpuSecond?.toFixed(0) ?? '',
      verdict('≥ 10000', perCore >= 10_000),
    ),
  ].join('\n');
}

await main();
