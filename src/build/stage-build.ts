import { canonicalName, parseReference, shortId } from '../base/index.ts';
import type { FileWorker } from '../runtime/index.ts';
import type { Image } from '../store/index.ts';
import { globalArgs, proxyEnvironment } from './build-args.ts';
import type { BuildScope } from './build-scope.ts';
import { absolutePath, commandArgs, configStep } from './config-steps.ts';
import { keywordOf, selectSources } from './context-sources.ts';
import { copyFromContext } from './copy-from-context.ts';
import { copyFromRoot } from './copy-from-root.ts';
import { type CopyStep, parseMode } from './copy-step.ts';
import { expand } from './dockerfile/expand.ts';
import type { Instruction } from './dockerfile/instructions.ts';
import { parseTriggers } from './dockerfile/parse.ts';
import { notThereYet, wrong } from './dockerfile/wrong.ts';
import { atLine, failedCommand, located } from './failures.ts';
import { makeLayer, removeMountPoints, removeMountPointsIn, type WritableRoot } from './layer-step.ts';
import {
  asBase,
  initialState,
  lookupIn,
  type StageState,
  visibleArgs,
  withConfig,
  withLayer,
} from './stage-state.ts';
import { type FileInstruction, makesFiles, type PlacedStage, StepNames, sourceStage } from './stages.ts';
import { StepCache, type StepKey, stepKey } from './step-cache.ts';
import type { StepReport } from './step-report.ts';
import { shownText } from './step-text.ts';

type InstructionOf<Kind extends Instruction['kind']> = Extract<Instruction, { kind: Kind }>;

/** How a stage is heard and finds the others. */
export interface StageLinks {
  /** Text for the user, in the stage's turn. */
  readonly say: (text: string) => void;
  readonly onPull: (progress: object) => void;
  /** The number of the stage's first step among all. */
  readonly firstStep: number;
  readonly steps: number;
  /** Resolves when an earlier stage is built; undefined when this build does not need it. */
  readonly stageState: (number: number) => Promise<StageState> | undefined;
}

/** Builds one stage, instruction by instruction, from the cache as far as it knows the way. */
export class StageBuild {
  readonly #scope: BuildScope;
  readonly #stage: PlacedStage;
  readonly #links: StageLinks;
  readonly #cache: StepCache;
  readonly #names: StepNames;
  #step: number;
  /** Whether it has made layers that no image may hold. */
  hasNewLayers = false;

  constructor(scope: BuildScope, stage: PlacedStage, links: StageLinks) {
    this.#scope = scope;
    this.#stage = stage;
    this.#links = links;
    this.#cache = new StepCache(scope.store);
    this.#names = new StepNames(stage, scope.stages.length === 1);
    this.#step = links.firstStep;
  }

  /** The stage's last state. What it made is kept for the cache when it fails, or when no image comes of it. */
  async run({ isTarget }: { isTarget: boolean }): Promise<StageState> {
    const { signal } = this.#scope;
    let state: StageState | undefined;
    let isDone = false;
    try {
      this.#announce(this.#stage);
      state = await this.#begin().catch((error: unknown) => {
        throw atLine(error, this.#stage);
      });
      for (const instruction of this.#stage.instructions) {
        signal.throwIfAborted();
        this.#announce(instruction);
        state = await this.#apply(state, instruction);
      }
      isDone = true;
      return state;
    } finally {
      this.#cache.save();
      const isHeld = isTarget && isDone; // by whoever makes an image of it
      if (state !== undefined && this.hasNewLayers && !isHeld)
        await this.#scope.kept.keep(state, this.#scope.request.platform);
    }
  }

  /** FROM, and what the image there has left to do (ONBUILD). */
  async #begin(): Promise<StageState> {
    const { base } = this.#stage;
    let state = await this.#base();
    if (base.kind !== 'scratch') this.#links.say(` ---> ${shortId(state.key)}\n`);
    else this.#links.say(' ---> \n');
    const triggers = state.config.OnBuild ?? [];
    if (triggers.length === 0) return state;
    this.#links.say(`# Executing ${triggers.length} build trigger${triggers.length === 1 ? '' : 's'}\n`);
    const { OnBuild, ...config } = state.config;
    state = { ...state, config };
    const name = base.kind === 'image' ? base.reference : `stage ${this.#stage.name ?? this.#stage.number}`;
    const instructions = parseTriggers(name, OnBuild ?? []);
    this.#names.expect(instructions);
    for (const instruction of instructions) state = await this.#apply(state, instruction, 'ONBUILD ');
    return state;
  }

  async #base(): Promise<StageState> {
    const { base } = this.#stage;
    this.#checkPlatform();
    switch (base.kind) {
      case 'scratch':
        return initialState(undefined);
      case 'stage':
        return asBase(await this.#earlierStage(base.number));
      case 'image':
        return initialState(await this.#baseImage(base.reference));
    }
  }

  #baseImage(reference: string): Promise<Image> {
    const { baseImages, reports } = this.#scope;
    const name = canonicalName(parseReference(reference));
    const step = this.#names.next(`FROM ${name}`);
    const known = baseImages.get(name);
    if (known !== undefined) return known;
    const found = reports.run(step, async (report) => {
      const { image, isPulled } = await this.#image(reference, report);
      if (!isPulled) report.cached();
      return image;
    });
    baseImages.set(name, found);
    return found;
  }

  #checkPlatform(): void {
    const { os, architecture } = this.#scope.request.platform;
    const { platform } = this.#stage;
    const own = [`${os}/${architecture}`, architecture, os];
    if (platform === undefined || platform === '' || own.includes(platform)) return;
    throw notThereYet(
      this.#stage,
      `building for another platform (${platform}) is`,
      `This build is for ${os}/${architecture}`,
    );
  }

  async #earlierStage(number: number): Promise<StageState> {
    const state = await this.#links.stageState(number);
    if (state !== undefined) return state;
    throw notThereYet(
      this.#stage,
      `an ONBUILD trigger that copies from stage ${number}, which nothing else needs, is`,
    );
  }

  async #image(name: string, report: StepReport): Promise<{ image: Image; isPulled: boolean }> {
    const { host, request, signal } = this.#scope;
    const reference = parseReference(name);
    let isPulled = false;
    const image = await host.resolveImage(reference, {
      platform: request.platform,
      pull: request.pull,
      credentials: await request.credentialsFor?.(reference.domain),
      signal,
      onProgress: (progress) => {
        isPulled = true;
        this.#links.onPull(progress);
        report.tell({ kind: 'pull', progress });
      },
    });
    return { image, isPulled };
  }

  async #apply(state: StageState, instruction: Instruction, origin = ''): Promise<StageState> {
    if (!makesFiles(instruction))
      return this.#locate(instruction, () => this.#changeConfig(state, instruction));
    const name = this.#names.next(`${origin}${shownText(instruction.text, lookupIn(state))}`);
    if (instruction.kind === 'copy') await this.#awaitSource(instruction);
    return this.#scope.reports.run(name, (report) =>
      this.#locate(instruction, () => this.#changeFiles(state, instruction, report)),
    );
  }

  async #changeConfig(
    state: StageState,
    instruction: Exclude<Instruction, FileInstruction>,
  ): Promise<StageState> {
    if (instruction.kind === 'arg') return this.#declareArgs(state, instruction);
    const { escapeCharacter } = this.#scope.dockerfile;
    const { createdBy, change } = configStep(state, instruction, escapeCharacter);
    const key = stepKey(state.key, 'config', createdBy, change.config, change.author);
    const created = await this.#noteConfig(key);
    return withConfig(state, key, { createdBy, created }, change);
  }

  #changeFiles(state: StageState, instruction: FileInstruction, report: StepReport): Promise<StageState> {
    switch (instruction.kind) {
      case 'run':
        return this.#run(state, instruction, report);
      case 'copy':
        return this.#copy(state, this.#expandCopy(state, instruction), report);
      case 'workdir':
        return this.#workdir(state, instruction, report);
    }
  }

  /** A step that waits for another stage has not begun. */
  async #awaitSource({ from }: InstructionOf<'copy'>): Promise<void> {
    const stage = from === undefined ? undefined : sourceStage(this.#scope.stages, this.#stage.number, from);
    if (stage !== undefined) await this.#links.stageState(stage);
  }

  async #locate<T>(instruction: Instruction, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw located(error, instruction);
    }
  }

  /** Says what a step without files comes to; when it was first done is remembered, as for the others. */
  async #noteConfig(key: StepKey): Promise<string> {
    const known = this.#scope.request.noCache ? undefined : await this.#cache.find(key);
    this.#links.say(`${known === undefined ? '' : ' ---> Using cache\n'} ---> ${shortId(key)}\n`);
    if (known !== undefined) return known.created;
    const created = new Date().toISOString();
    this.#cache.remember(key, { layer: undefined, created });
    return created;
  }

  /** ARGs change no key by themselves: the steps that see them do. */
  #declareArgs(state: StageState, { declarations, text }: InstructionOf<'arg'>): StageState {
    const { request, dockerfile } = this.#scope;
    const args = new Map(state.args);
    for (const { name, value } of declarations) {
      const fallback =
        value === undefined
          ? globalArgs(dockerfile, request).get(name)
          : expand(value, lookupIn({ ...state, args }), dockerfile.escapeCharacter);
      args.set(name, request.buildArgs[name] ?? fallback);
    }
    this.#links.say(` ---> ${shortId(state.key)}\n`);
    return withConfig(state, state.key, { createdBy: text, created: new Date().toISOString() }, { args });
  }

  #run(state: StageState, instruction: InstructionOf<'run'>, report: StepReport): Promise<StageState> {
    const { host, request, signal } = this.#scope;
    const args = commandArgs(instruction.command, state.config);
    const visible = visibleArgs(state);
    const { isolation, limits, platform } = request;
    const network = instruction.network === 'default' ? request.network : instruction.network;
    const elsewhere = isolation === 'container' ? [] : [isolation, platform.architecture];
    const key = stepKey(state.key, 'run', args, visible, network, ...elsewhere);
    const prefix = visible.length === 0 ? '' : `|${visible.length} ${visible.join(' ')} `;
    const createdBy = `RUN ${prefix}${args.join(' ')} # buildkit`;
    return this.#cached(state, { key, createdBy, report }, async (root) => {
      this.#links.say(` ---> Running in ${shortId(key)}\n`);
      const { exitCode, changes } = await host.runStep({
        root,
        args,
        config: { ...state.config, WorkingDir: state.config.WorkingDir || '/' },
        env: [...proxyEnvironment(request), ...visible, ...(state.config.Env ?? [])],
        network,
        isolation,
        architecture: platform.architecture,
        limits,
        onOutput: (text) => {
          this.#links.say(text);
          report.output(text);
        },
        signal,
      });
      await using kept = new AsyncDisposableStack();
      kept.use(changes);
      signal.throwIfAborted();
      if (exitCode !== 0) throw await failedCommand(instruction, args, exitCode, root.writable.upper);
      if (changes === undefined) await removeMountPoints(root.writable.upper);
      else await removeMountPointsIn(changes);
      kept.move(); // it is makeLayer's now
      return changes;
    });
  }

  #expandCopy(state: StageState, instruction: InstructionOf<'copy'>): CopyStep {
    const { escapeCharacter } = this.#scope.dockerfile;
    const lookup = lookupIn(state);
    const text = (value: string) => expand(value, lookup, escapeCharacter);
    const { sources, destination, owner, mode } = instruction;
    return {
      ...instruction,
      sources: sources.map(text),
      destination: text(destination),
      owner: owner === undefined ? undefined : text(owner),
      mode: mode === undefined ? undefined : parseMode(instruction, text(mode)),
    };
  }

  async #copy(state: StageState, step: CopyStep, report: StepReport): Promise<StageState> {
    const { launcher, ignored, signal } = this.#scope;
    const destination = absolutePath(step.destination, state.config);
    const owner = step.owner === undefined ? [] : [`--chown=${step.owner}`];
    const mode = step.mode === undefined ? [] : [`--chmod=${step.mode.toString(8)}`];
    const words = [keywordOf(step), ...owner, ...mode, ...step.sources, step.destination, '# buildkit'];
    const createdBy = words.join(' ');
    const options = [destination, step.unpack, step.owner, step.mode];
    if (step.from === undefined) {
      const context = await this.#scope.context();
      const selection = await selectSources(step, context, ignored);
      const key = stepKey(state.key, 'copy', selection.fingerprint, options);
      return this.#cached(state, { key, createdBy, report }, async (root) => {
        await using files = await launcher.openFiles(root, signal);
        await copyFromContext(step, selection, context, { files, destination, signal });
        return undefined;
      });
    }
    const source = await this.#copySource(step, step.from, report);
    const key = stepKey(state.key, 'copy-from', source.key, step.sources, options);
    return this.#cached(state, { key, createdBy, report }, async (root) => {
      const layers = source.layers.map(({ path }) => path);
      await using from = await launcher.openFiles({ layers, writable: undefined }, signal);
      await using files = await launcher.openFiles(root, signal);
      await copyFromRoot(step, from, { files, destination, signal });
      return undefined;
    });
  }

  /** What --from names: an earlier stage, or an image. */
  async #copySource(
    step: CopyStep,
    from: string,
    report: StepReport,
  ): Promise<Pick<StageState, 'key' | 'layers'>> {
    const { number } = this.#stage;
    const earlier = sourceStage(this.#scope.stages, number, from);
    if (earlier !== undefined) return this.#earlierStage(earlier);
    if (/^\d+$/.test(from)) throw wrong(step, `--from=${from}: there is no such stage before this one`);
    return initialState((await this.#image(from, report)).image);
  }

  async #workdir(
    state: StageState,
    { path }: InstructionOf<'workdir'>,
    report: StepReport,
  ): Promise<StageState> {
    const { dockerfile, launcher, signal } = this.#scope;
    const text = expand(path, lookupIn(state), dockerfile.escapeCharacter);
    const absolute = absolutePath(text, state.config).replace(/(.)\/$/, '$1');
    const key = stepKey(state.key, 'workdir', absolute);
    const next = await this.#cached(
      state,
      { key, createdBy: `WORKDIR ${absolute}`, report },
      async (root) => {
        await using files = await launcher.openFiles(root, signal);
        if ((await files.stat(absolute, { follow: true })) === undefined) await files.makeDirectory(absolute);
        return undefined;
      },
    );
    return { ...next, config: { ...next.config, WorkingDir: absolute } };
  }

  /** Takes a step's result from the cache, or makes it and remembers it. */
  async #cached(
    state: StageState,
    { key, createdBy, report }: { key: StepKey; createdBy: string; report: StepReport },
    work: (root: WritableRoot) => Promise<FileWorker | undefined>,
  ): Promise<StageState> {
    const { request, store, launcher, scratchDirectory, slots, signal } = this.#scope;
    const known = request.noCache ? undefined : await this.#cache.find(key);
    if (known !== undefined) {
      report.cached();
      this.#links.say(` ---> Using cache\n ---> ${shortId(key)}\n`);
      return withLayer(state, key, createdBy, known);
    }
    const maker = { launcher, layers: store.layers, scratchDirectory };
    const layer = await slots.run(() => {
      signal.throwIfAborted();
      return makeLayer(maker, state.layers, signal, work);
    });
    this.hasNewLayers ||= layer !== undefined;
    const result = { layer, created: new Date().toISOString() };
    this.#cache.remember(key, result);
    this.#links.say(` ---> ${shortId(key)}\n`);
    return withLayer(state, key, createdBy, result);
  }

  #announce({ text }: { text: string }): void {
    this.#links.say(`Step ${this.#step}/${this.#links.steps} : ${text}\n`);
    this.#step += 1;
  }
}
