// Measures logs: how fast a container writes one at full speed, and how fast `docker logs` gives it back, with berth and with
// dockerd. Writes its table into bench/README.md. `logs.ts 100 3` takes 100 MB instead of 1000, three times instead of once.

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, createWriteStream, mkdtempSync, openSync, rmSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { medianOf, timed } from './api.ts';
import { startBench } from './bench.ts';
import { docker, type Engine, findEngines } from './engines.ts';
import { writeSection } from './readme.ts';
import { machine, verdict } from './report.ts';

const [megabytes = 1000, runs = 1] = process.argv.slice(2).map(Number);
const LINE = 100;
const DRIVERS = ['json-file', 'local'] as const;
type Driver = (typeof DRIVERS)[number];

/** Of one engine and driver. */
interface Figures {
  /** Seconds that the container ran. */
  readonly written: number;
  /** Seconds of `docker logs`, and of the request alone: the CLI makes a write of each line. */
  readonly read: number;
  readonly sent: number;
  /** Every byte is there, in order. */
  readonly isWhole: boolean;
}

async function main(): Promise<void> {
  await using cleanup = new AsyncDisposableStack();
  const { berthd, image, load } = cleanup.use(await startBench());
  const folder = mkdtempSync('/var/tmp/berth-bench-lines.');
  cleanup.defer(() => rmSync(folder, { recursive: true }));
  await pipeline(lines(), createWriteStream(`${folder}/lines`));
  const expected = await digest(createReadStream(`${folder}/lines`));
  const figures = new Map<string, Figures>();
  const engines = (await findEngines(berthd.host)).filter(({ name }) => name !== 'podman');
  for (const engine of engines) {
    await docker(engine, 'pull', '-q', image);
    for (const driver of DRIVERS) {
      const measured = await measure(engine, driver, { image, folder, expected });
      figures.set(`${engine.name} ${driver}`, measured);
      console.log(engine.name, driver, measured);
    }
  }
  const text = table(load, engines, figures);
  console.log(`\n${text}`);
  writeSection('logs', text);
}

async function measure(
  engine: Engine,
  driver: Driver,
  { image, folder, expected }: { image: string; folder: string; expected: string },
): Promise<Figures> {
  const name = 'berth-bench-logs';
  const written: number[] = [];
  const read: number[] = [];
  const sent: number[] = [];
  let isWhole = true;
  for (let run = 0; run < runs; run += 1) {
    await using cleanup = new AsyncDisposableStack();
    cleanup.defer(async () => void (await docker(engine, 'rm', '-f', name)));
    const options = ['--log-driver', driver, '--log-opt', 'max-size=8g', '--log-opt', 'max-file=2'];
    const mount = ['-v', `${folder}:/lines:ro`, '--network', 'none'];
    await docker(engine, 'run', '-d', '--name', name, ...options, ...mount, image, 'cat', '/lines/lines');
    await docker(engine, 'wait', name);
    written.push(await runningTime(engine, name));
    read.push((await timed(() => logsTo(engine, name, openSync('/dev/null', 'w')))) / 1000);
    sent.push((await timed(() => logsAlone(engine, name))) / 1000);
    if (run === 0) isWhole = (await logsDigest(engine, name)) === expected;
  }
  return { written: medianOf(written), read: medianOf(read), sent: medianOf(sent), isWhole };
}

/** In seconds. */
async function runningTime(engine: Engine, name: string): Promise<number> {
  const format = '{{.State.StartedAt}} {{.State.FinishedAt}}';
  const [started = '', finished = ''] = (await docker(engine, 'inspect', '-f', format, name)).split(' ');
  return (Date.parse(finished) - Date.parse(started)) / 1000;
}

async function logsTo({ host }: Engine, name: string, output: number): Promise<void> {
  const child = spawn('docker', ['-H', host, 'logs', name], { stdio: ['ignore', output, 'inherit'] });
  await once(child, 'exit');
}

async function logsAlone({ host }: Engine, name: string): Promise<void> {
  const path = `/containers/${name}/logs?stdout=1&stderr=1`;
  const answered = Promise.withResolvers<IncomingMessage>();
  request({ socketPath: host.slice('unix://'.length), path, agent: false }, answered.resolve)
    .once('error', answered.reject)
    .end();
  const answer = await answered.promise;
  answer.resume();
  await once(answer, 'end');
}

async function logsDigest({ host }: Engine, name: string): Promise<string> {
  const child = spawn('docker', ['-H', host, 'logs', name], { stdio: ['ignore', 'pipe', 'inherit'] });
  return digest(child.stdout);
}

async function digest(stream: NodeJS.ReadableStream): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(stream, hash);
  return hash.digest('hex');
}

/** Lines of 100 bytes, each another. */
function* lines(): Generator<Buffer> {
  const rest = '.'.repeat(LINE - 11);
  const count = (megabytes * 1e6) / LINE;
  for (let from = 0; from < count; from += 10_000) {
    const numbers = Array.from({ length: Math.min(10_000, count - from) }, (_, index) => from + index);
    yield Buffer.from(numbers.map((number) => `${String(number).padStart(10, '0')}${rest}\n`).join(''));
  }
}

function table(load: number, engines: readonly Engine[], figures: ReadonlyMap<string, Figures>): string {
  const of = (engine: string, driver: Driver) => figures.get(`${engine} ${driver}`);
  const speed = (seconds: number | undefined) =>
    seconds === undefined ? '' : (megabytes / seconds).toFixed(0);
  const row = (title: string, show: (engine: string) => string, goal = '') =>
    `| ${[title, ...engines.map(({ name }) => show(name)), goal].join(' | ')} |`;
  const own = of('berth', 'json-file');
  const peer = of('dockerd', 'json-file');
  const peerLocal = of('dockerd', 'local');
  const quickEnough = own && megabytes / own.read >= 120 && (peer === undefined || own.read <= peer.read);
  const rows = DRIVERS.flatMap((driver) => [
    row(
      `a container writes at full speed, ${driver} (MB/s)`,
      (name) => speed(of(name, driver)?.written),
      driver === 'json-file'
        ? verdict('≥ 0.8 × dockerd’s local', own && peerLocal && own.written <= 1.25 * peerLocal.written)
        : '',
    ),
    row(
      `docker logs of it, ${driver} (MB/s)`,
      (name) => speed(of(name, driver)?.read),
      driver === 'json-file' ? verdict('≥ 120 and ≥ dockerd', quickEnough) : '',
    ),
    row(`the request alone, ${driver} (MB/s)`, (name) => speed(of(name, driver)?.sent)),
    row(
      `each byte of it is there, ${driver}`,
      (name) => (of(name, driver)?.isWhole === true ? 'yes' : 'no'),
      verdict('yes', of('berth', driver)?.isWhole),
    ),
  ]);
  return [
    `- ${machine(load)}`,
    `- ${megabytes} MB in lines of ${LINE} bytes, to files that are not rotated; megabytes of what the container wrote`,
    '',
    `| ${['logs', ...engines.map(({ name }) => name), 'goal'].join(' | ')} |`,
    `| ${['-', ...engines.map(() => '-'), '-'].join(' | ')} |`,
    ...rows,
  ].join('\n');
}

await main();
