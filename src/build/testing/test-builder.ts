import { accessSync, constants } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { constants as os, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { extract, pack } from 'tar-stream';
import { canonicalName, newContainerId, notFound, parseReference, type Reference } from '../../base/index.ts';
import {
  type FileWorker,
  type Launcher,
  openLauncher,
  placeLayerTree,
  resolveUser,
} from '../../runtime/index.ts';
import { type Image, openStore, type Store } from '../../store/index.ts';
import {
  type BuildEvent,
  type Builder,
  type BuildHost,
  type BuildRequest,
  createBuilder,
  type RunStep,
  type StepEnd,
} from '../index.ts';
import { NO_LIMITS } from '../no-limits.ts';

const NATIVE = join(import.meta.dirname, '../../../native/build');
const BUSYBOX = '/bin/busybox';
const RUNTIME = '/usr/bin/crun';

/** What these tests need and this machine lacks, as a reason to skip them; undefined: nothing. */
export function missingForBuilds(): string | undefined {
  if (process.getuid?.() !== 0) return 'root';
  for (const path of [BUSYBOX, RUNTIME, join(NATIVE, 'berth-launcher'), join(NATIVE, 'berth-shim')]) {
    try {
      accessSync(path, constants.X_OK);
    } catch {
      return path;
    }
  }
  return undefined;
}

/** Files of a context by name; a function gives more than the content. */
export type ContextFiles = Readonly<Record<string, string | Buffer | ContextMember>>;

export interface ContextMember {
  readonly content?: string | Buffer;
  readonly mode?: number;
  readonly type?: 'file' | 'directory' | 'symlink' | 'link';
  readonly linkname?: string;
}

export interface BuildOptions extends Partial<Omit<BuildRequest, 'context'>> {
  readonly files?: ContextFiles;
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: BuildEvent) => void;
}

export interface BuiltImage {
  readonly image: Image;
  /** What the user was told. */
  readonly output: string;
}

/** A builder over a real store and launcher in a temporary folder; steps run in crun. The image "busybox" is there. */
export class TestBuilder implements AsyncDisposable {
  readonly folder: string;
  readonly store: Store;
  readonly launcher: Launcher;
  readonly builder: Builder;
  /** Steps that were run, by their arguments. */
  readonly steps: (readonly string[])[] = [];
  readonly #stop: AbortController;

  static async create(): Promise<TestBuilder> {
    const folder = await mkdtemp(join(tmpdir(), 'berth-build-'));
    const stop = new AbortController();
    const store = await openStore({
      dataRoot: join(folder, 'data'),
      signal: stop.signal,
      placeTree: (layer) => placeLayerTree(NATIVE, layer, layer.signal),
    });
    const launcher = await openLauncher({ execRoot: join(folder, 'run'), nativeDirectory: NATIVE });
    const made = new TestBuilder(folder, store, launcher, stop);
    await made.build(
      'FROM scratch\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox", "--install", "-s", "/bin"]\n',
      {
        files: { busybox: { content: await readFile(BUSYBOX), mode: 0o755 } },
        tags: [parseReference('busybox')],
      },
    );
    made.steps.length = 0;
    return made;
  }

  private constructor(folder: string, store: Store, launcher: Launcher, stop: AbortController) {
    this.folder = folder;
    this.store = store;
    this.launcher = launcher;
    this.#stop = stop;
    this.builder = createBuilder({
      store,
      launcher,
      host: this.#host(),
      scratchDirectory: join(folder, 'data/build'),
    });
  }

  async build(dockerfile: string, options: BuildOptions = {}): Promise<BuiltImage> {
    const { files = {}, signal = new AbortController().signal, onEvent = () => {}, ...request } = options;
    let output = '';
    const image = await this.builder.build(
      {
        context: contextTar({ Dockerfile: dockerfile, ...files }),
        dockerfile: 'Dockerfile',
        tags: [],
        buildArgs: {},
        labels: {},
        target: undefined,
        noCache: false,
        pull: false,
        isolation: 'container',
        limits: NO_LIMITS,
        network: 'default',
        platform: { os: 'linux', architecture: process.arch === 'x64' ? 'amd64' : process.arch },
        ...request,
      },
      (event) => {
        if (event.kind === 'output') output += event.text;
        onEvent(event);
      },
      signal,
    );
    return { image, output };
  }

  /** Looks into an image. */
  async inside<T>({ layers }: Image, look: (files: FileWorker) => Promise<T>): Promise<T> {
    await using files = await this.launcher.openFiles({
      layers: layers.map(({ path }) => path),
      writable: undefined,
    });
    return await look(files);
  }

  /** A file's text, or undefined. */
  read(image: Image, path: string): Promise<string | undefined> {
    return this.inside(image, async (files) => {
      const stat = await files.stat(path, { follow: true });
      return stat?.type === 'file' ? (await files.readFile(path)).toString() : undefined;
    });
  }

  /** The names in an image's layer. */
  async namesIn(image: Image, layer: number): Promise<string[]> {
    const path = image.layers.at(layer)?.path;
    if (path === undefined) throw new RangeError(`no layer ${layer}`);
    await using files = await this.launcher.openFiles({ layers: [path], writable: undefined });
    const tar = await buffer(await files.pack('/', { as: '.' }));
    const archive = extract();
    archive.end(tar);
    const names: string[] = [];
    for await (const member of archive) {
      names.push(member.header.name);
      member.resume();
    }
    return names.map((name) => name.replace(/^\.\/?|\/$/g, '')).filter((name) => name !== '');
  }

  /** What a build may leave in its scratch folder: nothing. */
  async leftovers(): Promise<string[]> {
    const scratch = join(this.folder, 'data/build');
    return (await readdir(scratch, { recursive: true })).filter((name) => name !== 'steps');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store[Symbol.asyncDispose]();
    this.#stop.abort();
    const pid = Number(await readFile(join(this.folder, 'run/l.pid'), 'utf8'));
    await this.launcher[Symbol.asyncDispose]();
    process.kill(pid, 'SIGTERM');
    await rm(this.folder, { recursive: true, force: true });
  }

  #host(): BuildHost {
    return {
      resolveImage: async (reference: Reference) => {
        const image = await this.store.images.byName(canonicalName(reference));
        if (image === undefined) throw notFound(`No such image: ${canonicalName(reference)}`);
        return image;
      },
      imageMade: () => {},
      runStep: (step) => this.#runStep(step),
    };
  }

  async #runStep(step: RunStep): Promise<StepEnd> {
    this.steps.push(step.args);
    const id = newContainerId();
    const directory = join(this.folder, 'c', id);
    await mkdir(directory, { recursive: true });
    const supervisor = await this.launcher.launch({
      id,
      directory,
      root: step.root,
      terminal: false,
      openStdin: false,
      stdinOnce: false,
      network: undefined,
      ports: [],
      log: { driver: 'none', path: join(directory, 'log'), maxSize: 0, maxFiles: 1 },
      shmSize: 0,
      runtime: { path: RUNTIME, args: [], root: join(this.folder, 'state') },
    });
    await writeFile(join(directory, 'config.json'), JSON.stringify(ociConfig(step, supervisor.accounts, id)));
    await using session = await supervisor.attach({ stdin: false, stdout: true, stderr: true });
    await supervisor.run(step.signal);
    const kill = () => void supervisor.signal(os.signals.SIGKILL).catch(() => {});
    step.signal.addEventListener('abort', kill);
    if (step.signal.aborted) kill(); // while it started
    try {
      for await (const { data } of session.output()) step.onOutput(data.toString());
      const status = await supervisor.exited;
      step.signal.throwIfAborted();
      return { exitCode: status.kind === 'exited' ? status.code : 255, changes: undefined };
    } finally {
      step.signal.removeEventListener('abort', kill);
    }
  }
}

function ociConfig(step: RunStep, accounts: { passwd: string; group: string }, id: string): object {
  const capabilities = ['CAP_CHOWN', 'CAP_FOWNER', 'CAP_DAC_OVERRIDE'];
  const { uid, gid } = resolveUser(step.config.User ?? '', accounts);
  return {
    ociVersion: '1.0.0',
    process: {
      user: { uid, gid },
      args: step.args,
      env: step.env,
      cwd: step.config.WorkingDir,
      capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
    },
    root: { path: 'rootfs' },
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc' },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs' },
    ],
    linux: {
      namespaces: [{ type: 'pid' }, { type: 'mount' }, { type: 'ipc' }, { type: 'uts' }],
      cgroupsPath: `/berth-build-test-${id.slice(0, 12)}`,
    },
  };
}

function contextTar(files: ContextFiles) {
  const archive = pack();
  for (const [name, file] of Object.entries(files)) {
    const {
      content = '',
      mode,
      type = 'file',
      linkname,
    } = typeof file === 'string' || Buffer.isBuffer(file) ? { content: file } : file;
    const header = {
      name,
      type,
      mtime: new Date(1_600_000_000_000),
      mode: mode ?? (type === 'directory' ? 0o755 : 0o644),
    };
    if (type === 'file') archive.entry(header, content);
    else archive.entry({ ...header, ...(linkname === undefined ? {} : { linkname }) });
  }
  archive.finalize();
  return Readable.from(archive, { objectMode: false });
}
