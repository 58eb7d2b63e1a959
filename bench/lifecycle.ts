// Measures starting, exec, stopping and removing through the docker CLI, by berth and by peers that are there, and how soon
// bin/berth itself is done. Writes its table into bench/README.md.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'undici';
import { errorMessage, runChecked } from '../src/base/index.ts';
import { medianOf, timed } from './api.ts';
import { startBench } from './bench.ts';
import { docker, type Engine, findEngines } from './engines.ts';
import { time, timeCommand } from './hyperfine.ts';
import { writeSection } from './readme.ts';
import { machine, verdict } from './report.ts';

const root = join(import.meta.dirname, '..');
const PREFIX = 'berth-bench-life';
const STARTS = 20;
/** So many containers at once, started so many at a time, so often. */
const [CROWD, AT_A_TIME, CROWDS] = [50, 10, 3];

/** Milliseconds; medians. */
interface Figures {
  /** Of /proc/self/status in a container; 2 is a filter. */
  readonly seccomp: string;
  readonly none: number;
  readonly bridge: number;
  readonly published: number;
  readonly exec: number;
  readonly crowd: number;
  readonly keptConnection: number;
  readonly removal: number;
  readonly stop: number;
}

async function main(): Promise<void> {
  await using bench = await startBench();
  const { berthd, image, load } = bench;
  const measured = new Map<string, Figures>();
  const engines = await findEngines(berthd.host);
  await giveImage(engines, image);
  for (const engine of engines) {
    try {
      measured.set(engine.name, await measure(engine, image));
      console.log(`${engine.name} ${engine.version}`, measured.get(engine.name));
    } catch (error) {
      console.error(`${engine.name} is left out: ${errorMessage(error)}`);
    }
  }
  const text = table(load, measured, await measurePrograms(berthd.host));
  console.log(`\n${text}`);
  writeSection('lifecycle', text);
}

/** The first engine pulls it; the others load it, as podman pulls from no registry without TLS that it is not told of. */
async function giveImage([first, ...others]: readonly Engine[], image: string): Promise<void> {
  if (first === undefined) throw new Error('no engine answers');
  const folder = await mkdtemp(join(tmpdir(), 'berth-bench-'));
  try {
    const archive = join(folder, 'image.tar');
    await docker(first, 'pull', '-q', image);
    await docker(first, 'save', '-o', archive, image);
    for (const engine of others) await docker(engine, 'load', '-q', '-i', archive);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function measure(engine: Engine, image: string): Promise<Figures> {
  const [sleeper, ...others] = [`${PREFIX}-sleeper`, `${PREFIX}-stop`, ...crowdNames()];
  await removeAll(engine, [sleeper, ...others]);
  const status = await docker(engine, 'run', '--rm', image, 'grep', 'Seccomp:', '/proc/self/status');
  await docker(engine, 'run', '-d', '--name', sleeper, image, 'sleep', 'infinity');
  try {
    const start = (...flags: string[]) =>
      milliseconds(engine, ['run', '--rm', ...flags, image, 'true'], STARTS);
    return {
      seccomp: status.replace(/\D/g, ''),
      none: await start('--network', 'none'),
      bridge: await start(),
      published: await start('-p', '127.0.0.1::80'),
      exec: await milliseconds(engine, ['exec', sleeper, 'true'], STARTS),
      ...(await measureCrowds(engine, image)),
      stop: await stopOfShell(engine, image),
    };
  } finally {
    await removeAll(engine, [sleeper]);
  }
}

/** By hyperfine: a fork of this process would count. */
async function milliseconds(engine: Engine, args: readonly string[], runs: number): Promise<number> {
  const timing = await time(engine, { title: args.join(' '), args, runs });
  if (timing.state === 'failed') throw new Error(`${engine.name}: ${timing.reason}`);
  return timing.medianMs;
}

async function measureCrowds(engine: Engine, image: string) {
  const [byClients, byConnection, removals]: [number[], number[], number[]] = [[], [], []];
  const remove = async () => removals.push(await timed(() => removeAll(engine, crowdNames())));
  for (let turn = 0; turn < CROWDS; turn += 1) {
    byClients.push(await timed(() => startByClients(engine, image)));
    await remove();
    byConnection.push(await timed(() => startByOneConnection(engine, image)));
    await remove();
  }
  return {
    crowd: medianOf(byClients),
    keptConnection: medianOf(byConnection),
    removal: medianOf(removals),
  };
}

const crowdNames = () => Array.from({ length: CROWD }, (_, index) => `${PREFIX}-${index}`);

/** xargs starts the clients: it is small, so that its forks do not count. */
async function startByClients({ host, env }: Engine, image: string): Promise<void> {
  const client = ['docker', '-H', host, 'run', '-d', '--name', '{}', image, 'sleep', 'infinity'];
  const input = crowdNames().join('\n');
  await runChecked('xargs', ['-P', String(AT_A_TIME), '-I{}', ...client], { env, input });
}

/** Requests are pipelined (RFC 9112, 9.3.2): the next ones are sent before the answers to those before have come. */
async function startByOneConnection({ host }: Engine, image: string): Promise<void> {
  const socketPath = host.slice('unix://'.length);
  const client = new Client('http://localhost', { socketPath, pipelining: AT_A_TIME });
  const post = async (path: string, body?: object) => {
    const headers = { 'Content-Type': 'application/json' };
    const payload = body === undefined ? {} : { body: JSON.stringify(body) };
    const pipelined = { method: 'POST', idempotent: true, blocking: false } as const;
    const answer = await client.request({ ...pipelined, path, headers, ...payload });
    const text = await answer.body.text();
    if (answer.statusCode >= 400) throw new Error(`${path}: ${answer.statusCode} ${text}`);
  };
  const names = crowdNames();
  const startRest = async () => {
    for (let name = names.pop(); name !== undefined; name = names.pop()) {
      await post(`/containers/create?name=${name}`, { Image: image, Cmd: ['sleep', 'infinity'] });
      await post(`/containers/${name}/start`);
    }
  };
  try {
    await Promise.all(Array.from({ length: AT_A_TIME }, startRest));
  } finally {
    await client.close();
  }
}

async function removeAll(engine: Engine, names: readonly string[]): Promise<void> {
  await docker(engine, 'rm', '-f', ...names).catch((error: Error) => {
    if (!/No such container/.test(error.message)) throw error;
  });
}

/** PID 1 is a shell that waits for its child and has no handler for SIGTERM, as the tutorial's `CMD python app.py` makes it. */
async function stopOfShell(engine: Engine, image: string): Promise<number> {
  const name = `${PREFIX}-stop`;
  await docker(engine, 'run', '-d', '--name', name, image, 'sh', '-c', 'sleep 1000; true');
  const stopped = await timed(async () => void (await docker(engine, 'stop', name)));
  await removeAll(engine, [name]);
  return stopped;
}

interface Programs {
  /** Milliseconds. */
  readonly ps: number;
  readonly node: number;
  readonly dockerCli: number;
}

async function measurePrograms(host: string): Promise<Programs> {
  const env = { ...process.env, DOCKER_HOST: host };
  return {
    ps: await timeCommand(`${join(root, 'bin/berth')} ps`, STARTS, env),
    node: await timeCommand(`${process.execPath} -e 0`, STARTS, env),
    dockerCli: await timeCommand('docker version', STARTS, env),
  };
}

function table(load: number, measured: ReadonlyMap<string, Figures>, programs: Programs): string {
  const berth = measured.get('berth');
  if (berth === undefined) throw new Error('berth was not measured');
  const row = (title: string, show: (figures: Figures) => number, most?: number) => {
    const cells = [...measured.values()].map((figures) => show(figures).toFixed(0));
    const goal = most === undefined ? '' : verdict(`≤ ${most}`, show(berth) <= most);
    return `| ${[title, ...cells, goal].join(' | ')} |`;
  };
  const seccomp = [...measured].map(([name, figures]) => `${name} ${figures.seccomp}`).join(', ');
  const more = programs.ps - programs.node;
  return [
    `- ${machine(load)}`,
    `- medians in milliseconds; busybox; Seccomp: ${seccomp}; \`docker version\`, which is one request, takes ${programs.dockerCli.toFixed(0)}`,
    '',
    `| starting, exec, stopping, removing | ${[...measured.keys()].join(' | ')} | goal |`,
    `| - |${' - |'.repeat(measured.size + 1)}`,
    row('run --rm --network none IMAGE true', ({ none }) => none, 40),
    row('run --rm IMAGE true, on the bridge', ({ bridge }) => bridge, 60),
    row('the same with a published port', ({ published }) => published),
    row('more by the bridge', ({ bridge, none }) => bridge - none, 15),
    row('more by the bridge with a published port', ({ published, none }) => published - none, 20),
    row('exec true', ({ exec }) => exec, 25),
    row(`${CROWD} run -d, ${AT_A_TIME} at a time`, ({ crowd }) => crowd, 1000),
    row('the same through one kept connection', ({ keptConnection }) => keptConnection, 500),
    row(`rm -f of ${CROWD} that run`, ({ removal }) => removal, 800),
    row('stop of a shell that does not handle SIGTERM', ({ stop }) => stop, 300),
    '',
    `bin/berth ps, the whole process: ${programs.ps.toFixed(0)} ms, ${more.toFixed(0)} more than \`node -e 0\` (${verdict('≤ 15', more <= 15)}).`,
  ].join('\n');
}

await main();
