import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { run, runChecked } from '../src/base/index.ts';

/** An engine under measurement: whatever answers the Docker Engine API at an address. */
export interface Engine {
  readonly name: string;
  /** With its version, as it tells it. */
  readonly version: string;
  /** For `docker -H`. */
  readonly host: string;
  /** For the docker CLI: where an engine has no BuildKit, `docker build` must use the engine's own builder. */
  readonly env: NodeJS.ProcessEnv;
}

const root = join(import.meta.dirname, '..');

/** dockerd and podman, where they are there. They were started by somebody else and are left alone. */
const peers = [
  { name: 'dockerd', hosts: ['unix:///run/peer.sock', 'unix:///var/run/docker.sock'] },
  { name: 'podman', hosts: ['unix:///run/podman/podman.sock'] },
];

/** The engines that answer, berth (when it has been started) first. */
export async function findEngines(berth: string | undefined): Promise<Engine[]> {
  const candidates = [...(berth === undefined ? [] : [{ name: 'berth', hosts: [berth] }]), ...peers];
  const found = await Promise.all(candidates.map(({ name, hosts }) => firstAnswering(name, hosts)));
  return found.filter((engine) => engine !== undefined);
}

async function firstAnswering(name: string, hosts: readonly string[]): Promise<Engine | undefined> {
  for (const host of hosts) {
    if (!existsSync(host.slice('unix://'.length))) continue;
    const answer = await run('docker', ['-H', host, 'version', '--format', '{{.Server.Version}}']);
    if (answer.code !== 0) continue;
    const env = name === 'dockerd' ? process.env : { ...process.env, DOCKER_BUILDKIT: '0' };
    return { name, host, version: answer.stdout.toString().trim(), env };
  }
  return undefined;
}

/** A berthd for the benchmark alone, with folders that nothing was in before. */
export interface BenchDaemon extends AsyncDisposable {
  readonly host: string;
}

/** Starts berthd, with more in its environment if need be; throws with its own words when it ends before it listens. */
export async function startBerthd(env: NodeJS.ProcessEnv = {}): Promise<BenchDaemon> {
  await using cleanup = new AsyncDisposableStack();
  const folder = mkdtempSync('/var/tmp/berth-bench.');
  cleanup.defer(() => rmSync(folder, { recursive: true, force: true }));
  const socket = join(folder, 'berth.sock');
  const berthd = join(root, 'bin/berthd');
  const args = [
    '--data-root',
    join(folder, 'data'),
    '--exec-root',
    join(folder, 'run'),
    '-H',
    `unix://${socket}`,
  ];
  const daemon = spawn(berthd, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...env },
  });
  const ended = once(daemon, 'exit');
  cleanup.defer(async () => {
    daemon.kill('SIGTERM');
    await ended;
    await run(berthd, [...args, '--remove-host-state']); // what outlives berthd by design
  });
  let said = '';
  const listening = Promise.withResolvers<void>();
  daemon.stderr.on('data', async (chunk: Buffer) => {
    said += chunk.toString();
    if (await accepts(socket)) listening.resolve();
  });
  daemon.once('exit', () => {
    listening.reject(new Error(`berthd ended: ${/^.*(?:berthd:|Error).*$/m.exec(said)?.[0] ?? said.trim()}`));
  });
  await listening.promise;
  const running = cleanup.move();
  return { host: `unix://${socket}`, [Symbol.asyncDispose]: () => running.disposeAsync() };
}

function accepts(socket: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const connection = createConnection(socket, () => resolve(true)).on('error', () => resolve(false));
  return promise.finally(() => connection.destroy());
}

/** Runs the docker CLI against an engine; throws with what it printed when it fails. */
export async function docker(engine: Engine, ...args: readonly string[]): Promise<string> {
  return (await runChecked('docker', ['-H', engine.host, ...args], { env: engine.env })).stdout
    .toString()
    .trim();
}
