import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, open, readdir, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { BerthError, digestOf, errorMessage, syncDirectory, systemErrorCode } from '../base/index.ts';
import { isArchitectureName } from './architecture.ts';
import type { Hypervisor } from './hypervisor.ts';
import {
  type Boot,
  bootSteps,
  type MachineShape,
  machineArguments,
  migrationCapabilities,
  restoreSteps,
} from './machine-arguments.ts';
import { bootTemplate } from './template-boot.ts';

/** Whenever what is in a template's folder changes. What QEMU is told is in the key. */
const FORMAT = 4;

/** How far two measurements of the same counter may be apart. */
const COUNTER_TOLERANCE = 0.001;

/** The beginning of the name of a folder that is no template yet. */
const UNFINISHED = 'new-';

/** So many are kept: who changes kernels or sizes all the time does not fill the disk with templates. */
const KEPT = 8;

/** For so long a template that could not be made is not tried again: each machine boots by itself meanwhile. */
const FAILURE_MEMORY_MS = 60_000;

/** What a template is made from. Paths are the host's. */
export interface TemplateRecipe extends TemplateBasis {
  readonly shape: MachineShape;
  readonly boot: Boot;
}

/** What all templates of an architecture that are of use on this host at present have in common. */
export interface TemplateBasis {
  readonly hypervisor: Pick<Hypervisor, 'path' | 'version' | 'identity'>;
  /** What the kernel and the initramfs hold. */
  readonly kernelDigest: string;
  readonly initramfsDigest: string;
  /** The host's processor: its model and what it can. */
  readonly processor: string;
}

/** A booted guest that waits for its SETUP: read-only files. */
export interface Template {
  /** Names it among templates: "5f0c3e9b2a7d4c61-amd64-tcg-1x512M-1". */
  readonly key: string;
  readonly memory: string;
  readonly state: string;
}

/** What template.json says: it is written last, so a folder without it is no template. */
interface TemplateRecord {
  readonly format: number;
  readonly counterKilohertz: number | null;
  readonly memorySize: number;
  /** Whoever writes into the memory's file changes it. */
  readonly memoryTime: string;
  readonly stateDigest: string;
}

/**
 * The templates of an instance, a folder each by what it was made from: another QEMU, kernel, agent, processor or shape
 * has another one. The first machine of a kind waits until its template is made; all that ask meanwhile wait for the same.
 */
export class Templates {
  readonly #directory: string;
  readonly #socketDirectory: string;
  readonly #making = new Map<string, Promise<Template>>();
  readonly #failures = new Map<string, { readonly at: number; readonly error: unknown }>();
  /** The states that were held against their digest, and when their files were written. */
  readonly #read = new Map<string, bigint>();
  readonly #stop = new AbortController();

  /** Sockets need a short path (sun_path): `socketDirectory` exists. */
  constructor(directory: string, socketDirectory: string) {
    this.#directory = directory;
    this.#socketDirectory = socketDirectory;
  }

  /** A template that is whole. Throws what makes it impossible; `signal` ends the waiting, not the making. */
  async provide(recipe: TemplateRecipe, signal?: AbortSignal): Promise<Template> {
    const key = templateKey(recipe);
    const failure = this.#failures.get(key);
    if (failure !== undefined && performance.now() - failure.at < FAILURE_MEMORY_MS) throw failure.error;
    let making = this.#making.get(key);
    if (making === undefined) {
      making = this.#provide(key, recipe).finally(() => this.#making.delete(key));
      this.#making.set(key, making);
    }
    return signal === undefined ? making : unlessAborted(making, signal);
  }

  /** Deletes a template from which a machine did not start. */
  async discard(key: string): Promise<void> {
    await rm(join(this.#directory, key), { recursive: true, force: true });
  }

  /** Bytes on disk: of all templates, and of those that {@link prune} would delete. */
  async usage(bases: readonly TemplateBasis[]): Promise<{ readonly all: number; readonly stale: number }> {
    let all = 0;
    let stale = 0;
    for (const name of await namesIn(this.#directory)) {
      const size = await sizeOnDisk(join(this.#directory, name));
      all += size;
      if (this.#isStale(name, bases)) stale += size;
    }
    return { all, stale };
  }

  /**
   * Deletes the templates of other bases; returns the bytes that they took. A machine
   * that runs has names of its own for its template's files.
   */
  async prune(bases: readonly TemplateBasis[]): Promise<number> {
    const { stale } = await this.usage(bases);
    for (const name of await namesIn(this.#directory)) {
      if (this.#isStale(name, bases)) await this.discard(name);
    }
    return stale;
  }

  #isStale(name: string, bases: readonly TemplateBasis[]): boolean {
    if (name.startsWith(UNFINISHED)) return this.#making.size === 0;
    const shape = shapeIn(name);
    return shape === undefined || !bases.some((basis) => name === templateKey({ ...basis, shape }));
  }

  /** Gives up what is being made. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.allSettled(this.#making.values());
  }

  async #provide(key: string, recipe: TemplateRecipe): Promise<Template> {
    const kept = await this.#kept(key, recipe);
    if (kept !== undefined) return kept;
    try {
      await this.#make(key, recipe);
    } catch (error) {
      if (!this.#stop.signal.aborted) this.#failures.set(key, { at: performance.now(), error });
      throw error;
    }
    this.#failures.delete(key);
    return this.#templateAt(key);
  }

  async #kept(key: string, recipe: TemplateRecipe): Promise<Template | undefined> {
    const template = this.#templateAt(key);
    const record = await readRecord(join(this.#directory, key));
    if (record === undefined || !isSameCounter(record.counterKilohertz, recipe.boot.counterKilohertz)) {
      return undefined;
    }
    if (!(await this.#isWhole(template, record))) return undefined;
    const now = new Date();
    await utimes(join(this.#directory, key), now, now);
    return template;
  }

  /** The state is read once; as long as nobody touches its file it stays what it was. */
  async #isWhole({ key, memory, state }: Template, record: TemplateRecord): Promise<boolean> {
    try {
      const [ram, devices] = await Promise.all([memory, state].map((path) => stat(path, { bigint: true })));
      if (ram?.size !== BigInt(record.memorySize) || ram.mtimeNs !== BigInt(record.memoryTime)) return false;
      if (devices !== undefined && this.#read.get(key) === devices.mtimeNs) return true;
      if (digestOf(await readFile(state)) !== record.stateDigest) return false;
      if (devices !== undefined) this.#read.set(key, devices.mtimeNs);
      return true;
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return false;
      throw error;
    }
  }

  async #make(key: string, recipe: TemplateRecipe): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const folder = await mkdtemp(join(this.#directory, UNFINISHED));
    try {
      const memory = join(folder, 'memory');
      const state = await bootTemplate({
        program: recipe.hypervisor.path,
        shape: recipe.shape,
        boot: recipe.boot,
        memoryFile: memory,
        folder,
        socketDirectory: this.#socketDirectory,
        signal: this.#stop.signal,
      });
      await writeSynced(join(folder, 'state'), state);
      await syncFile(memory);
      await writeRecord(folder, recipe, state);
      await this.discard(key);
      await rename(folder, join(this.#directory, key));
      await syncDirectory(this.#directory);
      await this.#forgetOldest();
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** Deletes those that were used longest ago. */
  async #forgetOldest(): Promise<void> {
    const names = (await namesIn(this.#directory)).filter((name) => !name.startsWith(UNFINISHED));
    const used = await Promise.all(
      names.map(async (name) => ({ name, at: (await stat(join(this.#directory, name))).mtimeMs })),
    );
    for (const { name } of used.toSorted((a, b) => b.at - a.at).slice(KEPT)) await this.discard(name);
  }

  #templateAt(key: string): Template {
    const folder = join(this.#directory, key);
    return { key, memory: join(folder, 'memory'), state: join(folder, 'state') };
  }
}

/**
 * The same recipe has the same key, as long as `argumentsOf` tells QEMU the same. Where files are and how often the counter was
 * measured does not matter.
 */
export function templateKey(
  {
    hypervisor,
    kernelDigest,
    initramfsDigest,
    processor,
    shape,
  }: TemplateBasis & Pick<TemplateRecipe, 'shape'>,
  argumentsOf = machineArguments,
): string {
  const { path, version, identity } = hypervisor;
  const said = whatQemuIsTold(shape, argumentsOf);
  const parts = [FORMAT, path, version, identity, kernelDigest, initramfsDigest, processor, said];
  const digest = createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
  const { architecture, accelerator, processors, memory, cards } = shape;
  return `${digest}-${architecture}-${accelerator}-${processors}x${memory / 1024 ** 2}M-${cards}`;
}

function shapeIn(key: string): MachineShape | undefined {
  const [, architecture = '', accelerator, processors, mebibytes, cards] =
    /^[0-9a-f]{16}-(\w+)-(tcg|kvm)-(\d+)x(\d+)M-(\d+)$/.exec(key) ?? [];
  if (!isArchitectureName(architecture) || (accelerator !== 'tcg' && accelerator !== 'kvm')) return undefined;
  const memory = Number(mebibytes) * 1024 ** 2;
  return { architecture, accelerator, processors: Number(processors), memory, cards: Number(cards) };
}

/** All that decides whether a clone goes on from what a template was when it was saved, with the same paths on every host. */
function whatQemuIsTold(shape: MachineShape, argumentsOf: typeof machineArguments): unknown {
  const boot = { kernel: '/kernel', initramfs: '/initramfs', counterKilohertz: 1 };
  const shares = { kind: '9p', folder: '/shares' } as const;
  const disks = { layers: '/layers', writable: '/writable' };
  return {
    template: argumentsOf(shape, { kind: 'template', boot, memoryFile: '/memory' }, shares),
    saved: [bootSteps({ layers: undefined, writable: undefined }), migrationCapabilities],
    clones: (['9p', 'virtiofs'] as const).map((kind) => [
      argumentsOf(shape, { kind: 'warm', memoryFile: '/memory' }, { kind, folder: '/shares' }),
      restoreSteps(disks, kind),
    ]),
  };
}

function isSameCounter(kept: number | null, measured: number | undefined): boolean {
  if (kept === null || measured === undefined) return kept === (measured ?? null);
  return Math.abs(kept - measured) <= measured * COUNTER_TOLERANCE;
}

async function writeRecord(folder: string, recipe: TemplateRecipe, state: Buffer): Promise<void> {
  const { mtimeNs } = await stat(join(folder, 'memory'), { bigint: true });
  const record: TemplateRecord = {
    format: FORMAT,
    counterKilohertz: recipe.boot.counterKilohertz ?? null,
    memorySize: recipe.shape.memory,
    memoryTime: String(mtimeNs),
    stateDigest: digestOf(state),
  };
  await writeSynced(join(folder, 'template.json'), Buffer.from(JSON.stringify(record)));
}

/** Undefined when there is none of this format: the template is made anew. */
async function readRecord(folder: string): Promise<TemplateRecord | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(join(folder, 'template.json'), 'utf8'));
    return isRecord(value) ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function isRecord(value: unknown): value is TemplateRecord {
  if (typeof value !== 'object' || value === null) return false;
  const { format, counterKilohertz, memorySize, memoryTime, stateDigest } = value as Partial<
    Record<string, unknown>
  >;
  return (
    format === FORMAT &&
    (counterKilohertz === null || typeof counterKilohertz === 'number') &&
    typeof memorySize === 'number' &&
    typeof memoryTime === 'string' &&
    /^\d+$/.test(memoryTime) &&
    typeof stateDigest === 'string'
  );
}

async function writeSynced(path: string, data: Uint8Array): Promise<void> {
  const file = await open(path, 'wx', 0o400);
  try {
    await file.writeFile(data);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes what QEMU wrote durable, and read-only from now on. */
async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.sync();
    await file.chmod(0o400);
  } finally {
    await file.close();
  }
}

async function namesIn(directory: string): Promise<string[]> {
  return readdir(directory).catch((error: unknown) => {
    if (systemErrorCode(error) === 'ENOENT') return [];
    throw error;
  });
}

/** What a folder's files take: memory that was never used is a hole. */
async function sizeOnDisk(folder: string): Promise<number> {
  const sizes = (await namesIn(folder)).map(async (name) => {
    const found = await stat(join(folder, name)).catch(() => undefined);
    return (found?.blocks ?? 0) * 512;
  });
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = () =>
    reject(new BerthError('cancelled', `the operation was cancelled: ${errorMessage(signal.reason)}`));
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
