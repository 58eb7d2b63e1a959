import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { BerthError, canonicalName, crashPoint, familiarName, shortId } from '../base/index.ts';
import type { Launcher } from '../runtime/index.ts';
import type { Image, Store } from '../store/index.ts';
import { globalArgs, unusedArgs } from './build-args.ts';
import type { BuildScope } from './build-scope.ts';
import { type CachedLayer, cachedLayers } from './cached-layers.ts';
import { BuildContext } from './context.ts';
import type { BuildEvent, BuildHost, BuildRequest } from './contract.ts';
import { configOf, KeptStages } from './kept-stages.ts';
import { OrderedOutput } from './ordered-output.ts';
import { type CachePrune, type PrunedCache, pruneCache } from './prune-cache.ts';
import { readBuildFiles } from './received-context.ts';
import { Slots } from './slots.ts';
import { StageBuild } from './stage-build.ts';
import type { StageState } from './stage-state.ts';
import { findTarget, neededStages, type PlacedStage, placeStages } from './stages.ts';
import { StepCache, stepKey } from './step-cache.ts';

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
  /** The layers in the cache, the oldest first. */
  cachedLayers(): Promise<readonly CachedLayer[]>;
  /** Takes things out of the cache; images stay. */
  prune(options: CachePrune): Promise<PrunedCache>;
}

export function createBuilder(parts: BuilderParts): Builder {
  const shared = { ...parts, kept: new KeptStages(parts.store), slots: new Slots() };
  return {
    build: (request, onEvent, signal) => build(shared, request, onEvent, signal),
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
  try {
    await using context = await receiveContext(parts, request, signal);
    const { dockerfile, ignored } = await readBuildFiles(context, request.dockerfile);
    const stages = placeStages(dockerfile, globalArgs(dockerfile, request));
    const target = findTarget(stages, request.target);
    const stop = new AbortController();
    const scope = {
      ...parts,
      request,
      dockerfile,
      stages,
      context,
      ignored,
      signal: AbortSignal.any([signal, stop.signal]),
    };
    const last = await buildStages(scope, neededStages(stages, target), onEvent, stop);
    const image = await finish(scope, last);
    const say = (text: string) => onEvent({ kind: 'output', text });
    const unused = unusedArgs(dockerfile, request);
    if (unused.length > 0) say(`[Warning] One or more build-args [${unused.join(' ')}] were not consumed\n`);
    say(`Successfully built ${shortId(image.id)}\n`);
    for (const tag of request.tags) say(`Successfully tagged ${familiarName(tag)}\n`);
    onEvent({ kind: 'result', imageId: image.id });
    return image;
  } catch (error) {
    if (signal.aborted) throw new BerthError('cancelled', 'the build was cancelled', { cause: error });
    throw error;
  }
}

async function receiveContext(
  { scratchDirectory }: SharedParts,
  { context }: BuildRequest,
  signal: AbortSignal,
): Promise<BuildContext> {
  await mkdir(scratchDirectory, { recursive: true, mode: 0o700 });
  return BuildContext.receive(
    context,
    `${scratchDirectory}/context-${randomBytes(12).toString('hex')}`,
    signal,
  );
}

/** Builds stages at the same time, each as soon as what it needs is there. Resolves with the last one's state. */
async function buildStages(
  scope: BuildScope,
  stages: readonly PlacedStage[],
  onEvent: (event: BuildEvent) => void,
  stop: AbortController,
): Promise<StageState> {
  const output = new OrderedOutput(stages.length, onEvent);
  const running = new Map<number, Promise<StageState>>();
  const steps = countSteps(stages);
  for (const [position, stage] of stages.entries()) {
    const stageBuild = new StageBuild(scope, stage, {
      say: (text) => output.tell(position, { kind: 'output', text }),
      onPull: (progress) => output.tell(position, { kind: 'pull', progress }),
      firstStep: countSteps(stages.slice(0, position)) + 1,
      steps,
      stageState: (number) => running.get(number),
    });
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
  if (last === undefined) throw new RangeError('a build without stages');
  return last;
}

/** FROM is a step, too. */
function countSteps(stages: readonly PlacedStage[]): number {
  return stages.reduce((sum, { instructions }) => sum + 1 + instructions.length, 0);
}

/** The image of the last stage: the very same one as before when nothing has changed. */
async function finish(scope: BuildScope, state: StageState): Promise<Image> {
  const { store, request, kept, host } = scope;
  const cache = new StepCache(store);
  const written = state.history.map((entry) => entry.created_by);
  const key = stepKey(state.key, 'image', request.labels, request.platform, written);
  const known = request.noCache ? undefined : await cache.findImage(key);
  const tags = request.tags.map((tag) => canonicalName(tag));
  if (known !== undefined) {
    for (const tag of tags) if (!known.tags.includes(tag)) await store.images.tag(known.id, tag);
    host.imageMade(known, { isNew: false, tags });
    return known;
  }
  const image = await store.images.add({ configBytes: imageConfig(request, state), tags });
  crashPoint('build.recorded');
  cache.rememberImage(key, image);
  await kept.dropCoveredBy(image);
  host.imageMade(image, { isNew: true, tags });
  return image;
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
