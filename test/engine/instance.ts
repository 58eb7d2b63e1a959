import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { type RunResult, run, runChecked } from '../../src/base/index.ts';
import { parseBody } from '../compat/normalise.ts';
import { send } from '../compat/send.ts';
import { startRegistry } from '../fixtures/registry.ts';

const ROOT = `${import.meta.dirname}/../..`;

/** A berthd of a test's own: data root, socket, bridge and registry are nobody else's. */
export interface Instance extends AsyncDisposable {
  readonly socketPath: string;
  readonly dataRoot: string;
  readonly execRoot: string;
  readonly daemon: ChildProcess;
  /** Runs `berth …` against this instance, as a user would. */
  berth(args: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  /** As {@link berth}, but fails the test with what was printed when the exit code is not 0; returns standard output, trimmed. */
  berthOk(args: readonly string[], options?: CommandOptions): Promise<string>;
  /** Sends one request; "GET /containers/json". The body of an answer of JSON lines is their list. */
  api(line: string, body?: unknown): Promise<{ status: number; body: unknown }>;
  /** The host port that a container's port is published on. */
  publishedPort(container: string, port: string): Promise<number>;
  /** Kills berthd at once, as a crash would. */
  killDaemon(): Promise<void>;
  /** Starts berthd again on the same data root, with further arguments instead of those of the instance. */
  startDaemon(env?: NodeJS.ProcessEnv, args?: readonly string[]): Promise<void>;
}

export interface CommandOptions {
  readonly input?: string | Buffer;
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
}

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface InstanceOptions {
  /** Further arguments of berthd. */
  readonly args?: readonly string[];
  /** Further environment of berthd, and of the launcher that it starts. */
  readonly env?: NodeJS.ProcessEnv;
  /** An empty folder, where it must lie on a file system of its own. */
  readonly dataRoot?: string;
}

/** Starts berthd in fresh folders, with a registry of the stand-ins as docker.io's mirror. */
export async function startInstance(options: InstanceOptions = {}): Promise<Instance> {
  await using cleanup = new AsyncDisposableStack();
  const folder = await mkdtemp('/tmp/berth-test-');
  cleanup.defer(() => rm(folder, { recursive: true, force: true }));
  const registry = cleanup.use(await startRegistry());
  const dataRoot = options.dataRoot ?? `${folder}/data`;
  const execRoot = `${folder}/run`;
  const socketPath = `${folder}/berth.sock`;
  const daemonArgs = [
    ...['--data-root', dataRoot, '--exec-root', execRoot, '-H', `unix://${socketPath}`],
    ...['--registry-mirror', registry.url, '--config-file', `${ROOT}/test/fixtures/daemon.json`],
  ];
  const ownArgs = options.args ?? [];
  let daemon = await spawnDaemon([...daemonArgs, ...ownArgs], options.env);
  const env = { ...process.env, DOCKER_HOST: `unix://${socketPath}` };

  const berth = async (args: readonly string[], { input, cwd, env: extra }: CommandOptions = {}) => {
    const result: RunResult = await run(`${ROOT}/bin/berth`, args, {
      env: { ...env, ...extra },
      ...(input === undefined ? {} : { input }),
      ...(cwd === undefined ? {} : { cwd }),
    });
    return { code: result.code, stdout: result.stdout.toString(), stderr: result.stderr };
  };
  const api = async (line: string, body?: unknown) => {
    const answer = await send(socketPath, { name: line, request: line }, line, body);
    const text = answer.body.toString();
    const json = answer.contentType.startsWith('application/json') && text !== '';
    return { status: answer.status, body: json ? parseBody(answer.contentType, answer.body) : text };
  };
  cleanup.defer(async () => {
    if (daemon.exitCode === null && daemon.signalCode === null) {
      const { stdout } = await berth(['ps', '-aq']);
      const ids = stdout.split('\n').filter(Boolean);
      if (ids.length > 0) await berth(['rm', '-f', '-v', ...ids]);
      const { body: machines } = await api('GET /berth/machines/json?all=1');
      for (const { Id: id } of machines as { Id: string }[])
        await api(`DELETE /berth/machines/${id}?force=1`);
      await endProcess(daemon, 'SIGTERM');
    }
    // The launcher, bridges and rules outlive berthd by design; a test's own must not outlive the test.
    await runChecked(`${ROOT}/bin/berthd`, [...daemonArgs, '--remove-host-state']);
  });
  const closing = cleanup.move();
  return {
    socketPath,
    dataRoot,
    execRoot,
    get daemon() {
      return daemon;
    },
    berth,
    async berthOk(args, commandOptions) {
      const { code, stdout, stderr } = await berth(args, commandOptions);
      if (code !== 0) throw new Error(`berth ${args.join(' ')} ended with ${code}:\n${stdout}${stderr}`);
      return stdout.trim();
    },
    api,
    async publishedPort(container, port) {
      const answer = await api(`GET /containers/${container}/json`);
      const { NetworkSettings } = answer.body as {
        NetworkSettings: { Ports: Record<string, { HostPort: string }[]> };
      };
      return Number(NetworkSettings.Ports[port]?.[0]?.HostPort);
    },
    killDaemon: () => endProcess(daemon, 'SIGKILL'),
    async startDaemon(daemonEnv, args = ownArgs) {
      daemon = await spawnDaemon([...daemonArgs, ...args], daemonEnv);
    },
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  };
}

/** Starts bin/berthd and waits until it says that it is ready. */
async function spawnDaemon(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<ChildProcess> {
  const daemon = spawn(`${ROOT}/bin/berthd`, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...env },
  });
  const said: string[] = [];
  const lines = createInterface({ input: daemon.stderr });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  lines.on('line', (line) => {
    said.push(line);
    if (line.includes('berthd is ready')) resolve();
  });
  lines.once('close', () => {
    const ended = `berthd ended with ${daemon.exitCode ?? daemon.signalCode}:\n${said.join('\n')}`;
    reject(new Error(ended));
    if (!daemon.killed) console.error(ended); // nobody asked for it: the tests that fail now cannot say why
  });
  await promise;
  return daemon;
}

async function endProcess(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  await exited;
}
