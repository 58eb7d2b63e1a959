import {
  BerthError,
  canonicalName,
  crashPoint,
  familiarName,
  type Reference,
  shortId,
} from '../base/index.ts';
import type { Launcher } from '../runtime/index.ts';
import type { Image, Store } from '../store/index.ts';
import { globalArgs, unusedArgs } from './build-args.ts';
import type { BuildScope } from './build-scope.ts';
import { type CachedLayer, cachedLayers } from './cached-layers.ts';
import { loadContext } from './context-prefetch.ts';
import type { BuildEvent, BuildHost, BuildRequest } from './contract.ts';
import { configOf, KeptStages } from './kept-stages.ts';
import { OrderedOutput } from './ordered-output.ts';
import { type CachePrune, type PrunedCache, pruneCache } from './prune-cache.ts';
import { receiveFiles } from './received-context.ts';
import { Slots } from './slots.ts';
import { StageBuild } from './stage-build.ts';
import type { StageState } from './stage-state.ts';
import { findTarget, neededStages, type PlacedStage, placeStages } from './stages.ts';
import { StepCache, stepKey } from './step-cache.ts';
import { StepReports } from './step-report.ts';

export interface BuilderParts {
  readonly store: Store;
  readonly launcher: Launcher;
  readonly host: BuildHost;
  /** A folder of the builder's own on the data root's file system. */
  readonly scratchDirectory: string;
}

export interface Builder {
  /**
   * Builds an image from a context and names it. Text for the user comes as events. Throws `invalid` with the
   * Dockerfile's line for what is wrong in it (a failed RUN has a `FailedCommand` as its cause), `cancelled` when the
   * signal is aborted, and what the host throws for images and steps. What a failed build has made stays in the cache.
   */
  build(request: BuildRequest, onEvent: (event: BuildEvent) => void, signal: AbortSignal): Promise<Image>;
  /** As {@link build}, but makes no image yet and names nothing. Errors are the same. */
  solve(
    request: BuildRequest,
    onEvent: (event: BuildEvent) => void,
    signal: AbortSignal,
  ): Promise<SolvedBuild>;
  /** The layers in the cache, the oldest first. */
  cachedLayers(): Promise<readonly CachedLayer[]>;
  /** Takes things out of the cache; images stay. */
  prune(options: CachePrune): Promise<PrunedCache>;
}

export function createBuilder(parts: BuilderParts): Builder {
  const shared = { ...parts, kept: new KeptStages(parts.store), slots: new Slots() };
  return {
    build: (request, onEvent, signal) => build(shared, request, onEvent, signal),
    solve: (request, onEvent, signal) => solve(shared, request, onEvent, signal),
    cachedLayers: () => cachedLayers(parts.store),
    prune: (options) => pruneCache(shared, options),
  };
}

type SharedParts = Pick<BuildScope, 'store' | 'launcher' | 'host' | 'scratchDirectory' | 'kept' | 'slots'>;

async function build(
  parts: SharedParts,
  request: BuildRequest,
  onEvent: (event: BuildEvent) => void,
  signal: AbortSignal,
): Promise<Image> {
  await using solved = await solve(parts, request, onEvent, signal);
  const image = await solved.image(request.tags);
  const say = (text: string) => onEvent({ kind: 'output', text });
  if (solved.unusedArgs.length > 0)
    say(`[Warning] One or more build-args [${solved.unusedArgs.join(' ')}] were not consumed\n`);
  say(`Successfully built ${shortId(image.id)}\n`);
  for (const tag of request.tags) say(`Successfully tagged ${familiarName(tag)}\n`);
  onEvent({ kind: 'result', imageId: image.id });
  return image;
}

async function solve(
  parts: SharedParts,
  request: BuildRequest,
  onEvent: (event: BuildEvent) => void,
  signal: AbortSignal,
): Promise<SolvedBuild> {
  try {
    const stop = new AbortController();
    const either = AbortSignal.any([signal, stop.signal]);
    const reports = new StepReports(onEvent, either);
    const reception = { reports, emit: onEvent, signal: either };
    await using files = await receiveFiles(parts.scratchDirectory, request, reception);
    const { dockerfile, context, ignored } = files;
    const stages = placeStages(dockerfile, globalArgs(dockerfile, request));
    const target = findTarget(stages, request.target);
    const scope: BuildScope = {
      ...{ ...parts, request, dockerfile, stages, context, ignored, reports },
      baseImages: new Map(),
      signal: either,
    };
    const needed = neededStages(stages, target);
    const sent = loadContext(scope, needed);
    const { state, hasNewLayers } = await buildStages(scope, needed, onEvent, stop).finally(() => sent);
    return new SolvedBuild(scope, state, hasNewLayers);
  } catch (error) {
    if (signal.aborted) throw new BerthError('cancelled', 'the build was cancelled', { cause: error });
    throw error;
  }
}

/** Builds stages at the same time, each as soon as what it needs is there. Resolves with what the last one came to. */
async function buildStages(
  scope: BuildScope,
  stages: readonly PlacedStage[],
  onEvent: (event: BuildEvent) => void,
  stop: AbortController,
): Promise<{ state: StageState; hasNewLayers: boolean }> {
  const output = new OrderedOutput(stages.length, onEvent);
  const running = new Map<number, Promise<StageState>>();
  let target: StageBuild | undefined;
  const steps = countSteps(stages);
  for (const [position, stage] of stages.entries()) {
    const stageBuild = new StageBuild(scope, stage, {
      say: (text) => output.tell(position, { kind: 'output', text }),
      onPull: (progress) => output.tell(position, { kind: 'pull', progress }),
      firstStep: countSteps(stages.slice(0, position)) + 1,
      steps,
      stageState: (number) => running.get(number),
    });
    target = stageBuild;
    const state = stageBuild.run({ isTarget: position === stages.length - 1 });
    running.set(
      stage.number,
      state.finally(() => output.finish(position)),
    );
    state.catch((error: unknown) => stop.abort(error)); // one that fails stops the others
  }
  // Nothing may run on after a failure.
  await Promise.allSettled(running.values());
  if (stop.signal.aborted) throw stop.signal.reason;
  const last = [...running.values()].at(-1);
  if (last === undefined || target === undefined) throw new RangeError('a build without stages');
  return { state: await last, hasNewLayers: target.hasNewLayers };
}

/** FROM is a step, too. */
function countSteps(stages: readonly PlacedStage[]): number {
  return stages.reduce((sum, { instructions }) => sum + 1 + instructions.length, 0);
}

/** What a build has come to: an image when somebody wants one. Disposing keeps it for the cache where nobody did. */
export class SolvedBuild implements AsyncDisposable {
  readonly #scope: BuildScope;
  readonly #state: StageState;
  #isHeld: boolean;

  constructor(scope: BuildScope, state: StageState, hasNewLayers: boolean) {
    this.#scope = scope;
    this.#state = state;
    this.#isHeld = !hasNewLayers;
  }

  /** Build arguments that no ARG declares. */
  get unusedArgs(): readonly string[] {
    return unusedArgs(this.#scope.dockerfile, this.#scope.request);
  }

  /** The image of the last stage under these names: the very same one as before when nothing has changed. */
  async image(references: readonly Reference[]): Promise<Image> {
    const { store, request, kept, host } = this.#scope;
    const cache = new StepCache(store);
    const written = this.#state.history.map((entry) => entry.created_by);
    const key = stepKey(this.#state.key, 'image', request.labels, request.platform, written);
    const known = request.noCache ? undefined : await cache.findImage(key);
    const tags = references.map((tag) => canonicalName(tag));
    if (known !== undefined) {
      for (const tag of tags) if (!known.tags.includes(tag)) await store.images.tag(known.id, tag);
      host.imageMade(known, { isNew: false, tags });
      return known;
    }
    const image = await store.images.add({ configBytes: imageConfig(request, this.#state), tags });
    this.#isHeld = true;
    crashPoint('build.recorded');
    cache.rememberImage(key, image);
    await kept.dropCoveredBy(image);
    host.imageMade(image, { isNew: true, tags });
    return image;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isHeld) await this.#scope.kept.keep(this.#state, this.#scope.request.platform);
    this.#isHeld = true;
  }
}

function imageConfig(request: BuildRequest, state: StageState): Buffer {
  const config = configOf(state, request.platform);
  const labels = { ...config.config?.Labels, ...request.labels };
  const hasLabels = Object.keys(labels).length > 0;
  return Buffer.from(
    JSON.stringify({
      ...config,
      created: new Date().toISOString(),
      config: { ...config.config, ...(hasLabels ? { Labels: labels } : {}) },
    }),
  );
}
