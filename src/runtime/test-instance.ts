import { randomBytes } from 'node:crypto';
import { accessSync, constants, readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ContainerId, isBerthError, newContainerId, run, runChecked } from '../base/index.ts';
import type { AttachSession, Launcher, Supervisor, SupervisorPlan } from './contract.ts';
import { openLauncher } from './launcher.ts';
import { SupervisorConnection } from './supervisor.ts';

/** Another folder is for programs with sanitizers (`make -C native sanitized`). */
const NATIVE = process.env.BERTH_NATIVE_DIRECTORY ?? join(import.meta.dirname, '../../native/build');
/** Sanitized programs take more memory. */
export const hasSanitizers = process.env.BERTH_NATIVE_DIRECTORY !== undefined;

const BUSYBOX = '/bin/busybox';
const APPLETS = [
  'sh',
  'cat',
  'echo',
  'sleep',
  'kill',
  'stty',
  'seq',
  'head',
  'ls',
  'wc',
  'touch',
  'dd',
  'tty',
  'mkdir',
  'true',
];

/** What these tests need and this machine lacks, as a reason to skip them; undefined: nothing. */
export function missingForContainers(runtimePath: string): string | undefined {
  if (process.getuid?.() !== 0) return 'root';
  for (const path of [BUSYBOX, runtimePath, join(NATIVE, 'berth-launcher'), join(NATIVE, 'berth-shim')]) {
    try {
      accessSync(path, constants.X_OK);
    } catch {
      return path;
    }
  }
  return undefined;
}

/** Everything of a container that a test may want to be different. */
export interface ContainerOptions {
  readonly args?: readonly string[];
  readonly plan?: Partial<SupervisorPlan>;
  /** Over the OCI configuration. */
  readonly config?: object;
  /** Over its process object. */
  readonly process?: object;
  /** Over its linux object. */
  readonly linux?: object;
}

/** A berth instance in a temporary folder, with a launcher of its own and busybox containers. */
export class TestInstance implements AsyncDisposable {
  readonly folder: string;
  readonly launcher: Launcher;
  /** A plain folder with busybox; its /etc/passwd has root only. */
  readonly layer: string;
  readonly #runtime: string;
  readonly #launchers: Launcher[];

  static async create(runtime: string): Promise<TestInstance> {
    const folder = await mkdtemp(join(tmpdir(), 'berth-runtime-'));
    const layer = join(folder, 'layer');
    await makeBusyboxLayer(layer);
    const launcher = await openLauncher({ execRoot: join(folder, 'run'), nativeDirectory: NATIVE });
    return new TestInstance(folder, layer, runtime, launcher);
  }

  private constructor(folder: string, layer: string, runtime: string, launcher: Launcher) {
    this.folder = folder;
    this.layer = layer;
    this.launcher = launcher;
    this.#runtime = runtime;
    this.#launchers = [launcher];
  }

  get execRoot(): string {
    return join(this.folder, 'run');
  }

  /** As a berthd that was started again. */
  async secondLauncher(): Promise<Launcher> {
    const launcher = await openLauncher({ execRoot: this.execRoot, nativeDirectory: NATIVE });
    this.#launchers.push(launcher);
    return launcher;
  }

  get nativeDirectory(): string {
    return NATIVE;
  }

  launcherPid(): number {
    return Number(readFileSync(join(this.execRoot, 'l.pid'), 'utf8'));
  }

  /** A plan for a new container, with a writable layer over busybox and a json-file log. */
  async plan(changes: Partial<SupervisorPlan> = {}): Promise<SupervisorPlan> {
    const id = newContainerId();
    const directory = join(this.folder, 'c', id);
    const writable = { upper: join(directory, 'upper'), work: join(directory, 'work') };
    for (const path of Object.values(writable)) await mkdir(path, { recursive: true });
    return {
      id,
      directory,
      root: { layers: [this.layer], writable },
      terminal: false,
      openStdin: false,
      stdinOnce: false,
      network: undefined,
      ports: [],
      log: { driver: 'json-file', path: join(directory, 'log'), maxSize: 0, maxFiles: 1 },
      shmSize: 0,
      runtime: { path: this.#runtime, args: [], root: join(this.folder, 'state') },
      ...changes,
    };
  }

  /** Prepares a container and writes its configuration. */
  async prepare(options: ContainerOptions = {}): Promise<{ supervisor: Supervisor; plan: SupervisorPlan }> {
    const plan = await this.plan(options.plan);
    const supervisor = await this.launcher.launch(plan);
    await writeConfig(plan, options);
    return { supervisor, plan };
  }

  /** Writes the OCI configuration that berthd writes when a supervisor is ready. */
  writeConfig(plan: SupervisorPlan, options: ContainerOptions): Promise<void> {
    return writeConfig(plan, options);
  }

  /** Prepares a container, attaches to its output, and runs it. */
  async start(options: ContainerOptions): Promise<RunningContainer> {
    const { supervisor, plan } = await this.prepare(options);
    const session = await supervisor.attach({ stdin: plan.openStdin, stdout: true, stderr: true });
    await supervisor.run();
    return { supervisor, plan, session };
  }

  /** Ends what the test left behind, the launcher last. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stopContainers();
    for (const launcher of this.#launchers) await launcher[Symbol.asyncDispose]();
    process.kill(this.launcherPid(), 'SIGKILL');
    const log = await readFile(join(this.execRoot, 'launcher.log'), 'utf8');
    await rm(this.folder, { recursive: true, force: true });
    if (/Sanitizer|runtime error/.test(log)) throw new Error(`a native part is broken: ${log}`);
  }

  async #stopContainers(): Promise<void> {
    const last = await this.secondLauncher();
    for (const id of await this.#containerIds()) {
      const supervisor = await last.reconnect(id, join(this.folder, 'c', id));
      if (supervisor === undefined || 'kind' in supervisor) continue;
      if (supervisor.started === undefined) await supervisor.discard();
      else {
        await supervisor.signal(9).catch(unlessEnded);
        await ended(supervisor);
      }
    }
  }

  async #containerIds(): Promise<ContainerId[]> {
    return (await readdir(join(this.folder, 'c')).catch(() => [])) as ContainerId[];
  }
}

export interface RunningContainer {
  readonly supervisor: Supervisor;
  readonly plan: SupervisorPlan;
  readonly session: AttachSession;
}

/** A container that ends while it is being stopped needs no signal any more. */
function unlessEnded(error: unknown): void {
  if (!isBerthError(error, 'conflict') && !isBerthError(error, 'unavailable')) throw error;
}

/** Waits until a supervisor has cleaned up and ended. */
export async function ended(supervisor: Supervisor): Promise<void> {
  if (supervisor instanceof SupervisorConnection) await supervisor.gone;
}

/** All output of a session until its end. */
export async function collect(session: AttachSession): Promise<{ stdout: string; stderr: string }> {
  const text = { stdout: '', stderr: '' };
  for await (const { stream, data } of session.output()) text[stream] += data.toString();
  return text;
}

/** Reads output until it contains `wanted`; returns all that came. */
export async function readUntil(session: AttachSession, wanted: string): Promise<string> {
  let text = '';
  for await (const { data } of session.output()) {
    text += data.toString();
    if (text.includes(wanted)) return text;
  }
  throw new Error(`the output ended without ${JSON.stringify(wanted)}: ${JSON.stringify(text)}`);
}

/** The lines of a json-file log. */
export async function readLog(path: string): Promise<{ log: string; stream: string; time: string }[]> {
  const text = await readFile(path, 'utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

/** Packs a folder into an EROFS image. */
export async function makeErofs(folder: string, image: string): Promise<void> {
  await runChecked('mkfs.erofs', [image, folder]);
}

export async function hasMkfsErofs(): Promise<boolean> {
  return await run('mkfs.erofs', ['--help']).then(
    () => true,
    () => false,
  );
}

/** A process object of the OCI runtime specification. */
export function ociProcess(args: readonly string[], changes: object = {}): object {
  return { user: { uid: 0, gid: 0 }, args, env: ['PATH=/bin'], cwd: '/', ...changes };
}

async function makeBusyboxLayer(layer: string): Promise<void> {
  for (const name of ['bin', 'proc', 'dev', 'sys', 'tmp', 'etc'])
    await mkdir(join(layer, name), { recursive: true });
  await cp(BUSYBOX, join(layer, 'bin/busybox'));
  for (const applet of APPLETS) await symlink('busybox', join(layer, 'bin', applet));
  await writeFile(join(layer, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\n');
}

async function writeConfig(plan: SupervisorPlan, options: ContainerOptions): Promise<void> {
  const terminal = plan.terminal ? { terminal: true } : {};
  const network = plan.network === undefined ? [] : [{ type: 'network', path: plan.network.path }];
  const config = {
    ociVersion: '1.0.0',
    process: ociProcess(options.args ?? ['true'], { ...terminal, ...options.process }),
    root: { path: 'rootfs' },
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc' },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs' },
      {
        destination: '/dev/pts',
        type: 'devpts',
        source: 'devpts',
        options: ['newinstance', 'ptmxmode=0666'],
      },
    ],
    linux: {
      namespaces: [...['pid', 'mount', 'ipc', 'uts'].map((type) => ({ type })), ...network],
      cgroupsPath: `/berth-test-${randomBytes(6).toString('hex')}`,
      ...options.linux,
    },
    ...options.config,
  };
  await writeFile(join(plan.directory, 'config.json'), JSON.stringify(config));
}
