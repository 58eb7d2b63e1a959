import { BerthError, isBerthError, parseReference, shortId } from '../base/index.ts';
import type { Launcher, RootPlan } from '../runtime/index.ts';
import type { Image, Layer, Store } from '../store/index.ts';
import { absolutePath, applyConfig, commandArgs } from './config-steps.ts';
import type { BuildContext } from './context.ts';
import type { BuildEvent, BuildHost, BuildRequest } from './contract.ts';
import { type CopyStep, copyFromContext, copyFromRoot, selectSources } from './copy.ts';
import { expand } from './dockerfile/expand.ts';
import type { Dockerfile, Instruction } from './dockerfile/instructions.ts';
import { wrong } from './dockerfile/parse.ts';
import { makeLayer } from './layer-step.ts';
import { asBase, initialState, lookupIn, runEnvironment, type StageState, withLayer } from './stage-state.ts';
import { earlierStage, type NumberedStage } from './stages.ts';
import { type StepCache, type StepKey, stepKey } from './step-cache.ts';

export interface StageBuildParts {
  readonly store: Store;
  readonly launcher: Launcher;
  readonly host: BuildHost;
  readonly scratchDirectory: string;
  readonly request: BuildRequest;
  readonly dockerfile: Dockerfile;
  readonly context: BuildContext;
  readonly stage: NumberedStage;
  readonly cache: StepCache;
  /** Whether .dockerignore excludes a path of the context. */
  readonly ignored: (path: string) => boolean;
  /** Resolves when an earlier stage is built. */
  readonly stageState: (number: number) => Promise<StageState>;
  readonly announce: (instruction: string) => void;
  readonly onEvent: (event: BuildEvent) => void;
  readonly signal: AbortSignal;
}

/** Variables that RUN sees without an ARG, and that no key depends on (Dockerfile reference, "Predefined ARGs"). */
const PREDEFINED = ['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'NO_PROXY', 'ALL_PROXY'].flatMap((name) => [
  name,
  name.toLowerCase(),
]);

/** Builds one stage, instruction by instruction, from the cache as far as it knows the way. */
export class StageBuild {
  readonly #parts: StageBuildParts;

  constructor(parts: StageBuildParts) {
    this.#parts = parts;
  }

  async run(): Promise<StageState> {
    const { stage, announce, signal } = this.#parts;
    announce(stage.text);
    let state = await this.#base();
    this.#say(` ---> ${shortId(state.key)}\n`);
    try {
      for (const instruction of stage.instructions) {
        signal.throwIfAborted();
        announce(instruction.text);
        state = await this.#step(state, instruction);
      }
      return state;
    } finally {
      await this.#keep(state);
    }
  }

  /** FROM: scratch, an earlier stage, or an image. */
  async #base(): Promise<StageState> {
    const { stage, dockerfile, request, host, stageState, signal, onEvent } = this.#parts;
    const args = this.#globalArgs();
    const base = expand(stage.base, (name) => args.get(name), dockerfile.escapeCharacter);
    if (base === '') throw wrong(stage, `base name (${stage.base}) should not be blank`);
    if (base === 'scratch') return initialState(undefined);
    const earlier = earlierStage(dockerfile, stage.number, base, { byNumber: false });
    if (earlier !== undefined) return asBase(await stageState(earlier.number));
    const image = await host.resolveImage(parseReference(base), {
      pull: request.pull,
      signal,
      onProgress: (progress) => onEvent({ kind: 'pull', progress }),
    });
    return initialState(image);
  }

  async #step(state: StageState, instruction: Instruction): Promise<StageState> {
    const { escapeCharacter } = this.#parts.dockerfile;
    try {
      switch (instruction.kind) {
        case 'arg':
          return this.#declareArgs(state, instruction);
        case 'run':
          return await this.#runStep(state, instruction);
        case 'copy':
          return await this.#copyStep(state, expandCopy(state, instruction, escapeCharacter));
        case 'workdir':
          return await this.#workdirStep(state, instruction);
        default: {
          const next = applyConfig(state, instruction, escapeCharacter);
          this.#say(` ---> ${shortId(next.key)}\n`);
          return next;
        }
      }
    } catch (error) {
      throw located(error, instruction);
    }
  }

  #declareArgs(state: StageState, instruction: Extract<Instruction, { kind: 'arg' }>): StageState {
    const { request, dockerfile } = this.#parts;
    const args = new Map(state.args);
    for (const { name, value } of instruction.declarations) {
      const given = request.buildArgs[name];
      const fallback =
        value === undefined
          ? this.#globalArgs().get(name)
          : expand(value, lookupIn({ ...state, args }), dockerfile.escapeCharacter);
      args.set(name, given ?? fallback);
    }
    return {
      ...state,
      args,
      history: [...state.history, { created_by: instruction.text, empty_layer: true }],
    };
  }

  async #runStep(state: StageState, instruction: Extract<Instruction, { kind: 'run' }>): Promise<StageState> {
    const args = commandArgs(instruction.command, state.config);
    const key = stepKey(state.key, 'run', args, [...state.args]);
    return this.#cached(state, key, `RUN ${args.join(' ')}`, (root) => this.#execute(state, args, root));
  }

  async #execute(state: StageState, args: readonly string[], root: RootPlan): Promise<void> {
    const { host, request, signal } = this.#parts;
    const proxies = PREDEFINED.flatMap((name) => {
      const value = request.buildArgs[name];
      return value === undefined ? [] : [`${name}=${value}`];
    });
    const exitCode = await host.runStep({
      root,
      args,
      config: state.config,
      env: [...proxies, ...runEnvironment(state)],
      network: 'default',
      onOutput: (text) => this.#say(text),
      signal,
    });
    if (exitCode === 0) return;
    throw new BerthError('invalid', `The command '${args.join(' ')}' returned a non-zero code: ${exitCode}`, {
      cause: { exitCode },
    });
  }

  async #copyStep(state: StageState, step: CopyStep): Promise<StageState> {
    const destination = absolutePath(step.destination, state.config);
    const createdBy = `${step.unpack ? 'ADD' : 'COPY'} ${step.sources.join(' ')} ${step.destination}`;
    const { context, launcher, ignored, signal } = this.#parts;
    const options = [step.unpack, step.owner, step.mode];
    if (step.from === undefined) {
      const selection = selectSources(step, context, ignored);
      const key = stepKey(state.key, 'copy', selection.fingerprint, destination, options);
      return this.#cached(state, key, createdBy, async (root) => {
        await using files = await launcher.openFiles(root, signal);
        await copyFromContext(step, selection, context, files, destination, signal);
      });
    }
    const source = await this.#copySource(step.from);
    const key = stepKey(state.key, 'copy-from', source.key, step.sources, destination, options);
    return this.#cached(state, key, createdBy, async (root) => {
      const layers = source.layers.map(({ path }) => path);
      await using from = await launcher.openFiles({ layers, writable: undefined }, signal);
      await using files = await launcher.openFiles(root, signal);
      await copyFromRoot(step, from, files, destination, signal);
    });
  }

  /** What --from names: an earlier stage, or an image. */
  async #copySource(from: string): Promise<Pick<StageState, 'key' | 'layers'>> {
    const { dockerfile, stage, stageState, host, signal, onEvent } = this.#parts;
    const earlier = earlierStage(dockerfile, stage.number, from, { byNumber: true });
    if (earlier !== undefined) return stageState(earlier.number);
    const image: Image = await host.resolveImage(parseReference(from), {
      pull: false,
      signal,
      onProgress: (progress) => onEvent({ kind: 'pull', progress }),
    });
    return initialState(image);
  }

  async #workdirStep(
    state: StageState,
    instruction: Extract<Instruction, { kind: 'workdir' }>,
  ): Promise<StageState> {
    const { dockerfile, launcher, signal } = this.#parts;
    const text = expand(instruction.path, lookupIn(state), dockerfile.escapeCharacter);
    const path = absolutePath(text, state.config).replace(/(.)\/$/, '$1');
    const next = await this.#cached(
      state,
      stepKey(state.key, 'workdir', path),
      `WORKDIR ${path}`,
      async (root) => {
        await using files = await launcher.openFiles(root, signal);
        if ((await files.stat(path, { follow: true })) === undefined) await files.makeDirectory(path);
      },
    );
    return { ...next, config: { ...next.config, WorkingDir: path } };
  }

  /** Takes a step's result from the cache, or makes it and remembers it. */
  async #cached(
    state: StageState,
    key: StepKey,
    createdBy: string,
    work: (root: RootPlan) => Promise<void>,
  ): Promise<StageState> {
    const { cache, request, store, signal } = this.#parts;
    const known = request.noCache ? undefined : await cache.find(key);
    if (known !== undefined) {
      this.#say(` ---> Using cache\n ---> ${shortId(key)}\n`);
      return withLayer(state, key, createdBy, known.layer);
    }
    this.#say(` ---> Running in ${shortId(key)}\n`);
    const layer: Layer | undefined = await makeLayer(
      { ...this.#parts, layers: store.layers },
      state.layers,
      signal,
      work,
    );
    cache.remember(key, layer);
    this.#say(` ---> ${shortId(key)}\n`);
    return withLayer(state, key, createdBy, layer);
  }

  /** A hidden image keeps the stage's layers for the cache, also when a later step has failed. */
  async #keep({ layers, config, history }: StageState): Promise<void> {
    const { store, request } = this.#parts;
    if (layers.length === 0) return;
    const kept = {
      architecture: request.platform.architecture,
      os: request.platform.os,
      config,
      rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
      history,
    };
    await store.images.add({ configBytes: Buffer.from(JSON.stringify(kept)), hidden: true });
  }

  /** ARGs before the first FROM, and the platform's. */
  #globalArgs(): Map<string, string> {
    const { dockerfile, request } = this.#parts;
    const { os, architecture } = request.platform;
    const platform = `${os}/${architecture}`;
    const args = new Map(
      ['TARGET', 'BUILD'].flatMap((prefix): [string, string][] => [
        [`${prefix}PLATFORM`, platform],
        [`${prefix}OS`, os],
        [`${prefix}ARCH`, architecture],
      ]),
    );
    for (const { name, value } of dockerfile.globalArgs) {
      const fallback =
        value === undefined
          ? undefined
          : expand(value, (other) => args.get(other), dockerfile.escapeCharacter);
      const result = request.buildArgs[name] ?? fallback;
      if (result !== undefined) args.set(name, result);
    }
    return args;
  }

  #say(text: string): void {
    this.#parts.onEvent({ kind: 'output', text });
  }
}

function expandCopy(
  state: StageState,
  instruction: Extract<Instruction, { kind: 'copy' }>,
  escapeCharacter: string,
): CopyStep {
  const lookup = lookupIn(state);
  const text = (value: string) => expand(value, lookup, escapeCharacter);
  return {
    ...instruction,
    sources: instruction.sources.map(text),
    destination: text(instruction.destination),
    from: instruction.from === undefined ? undefined : text(instruction.from),
    owner: instruction.owner === undefined ? undefined : text(instruction.owner),
    mode: instruction.mode === undefined ? undefined : text(instruction.mode),
  };
}

/** Says where a step failed, unless the error says so already; the cause stays. */
function located(error: unknown, { file, line, text }: Instruction): unknown {
  if (!isBerthError(error) || error.message.startsWith(`${file}:`) || error.kind === 'cancelled')
    return error;
  return new BerthError(error.kind, `${file}:${line}: ${error.message} (line ${line}: ${text})`, {
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    cause: error.cause,
  });
}
