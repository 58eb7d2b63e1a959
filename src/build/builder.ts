import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import dockerignore from '@balena/dockerignore';
import { canonicalName, familiarName, invalid, shortId } from '../base/index.ts';
import type { Launcher } from '../runtime/index.ts';
import type { Image, ImageConfig, Store } from '../store/index.ts';
import { BuildContext } from './context.ts';
import type { BuildEvent, BuildHost, BuildRequest } from './contract.ts';
import { parseDockerfile } from './dockerfile/parse.ts';
import { StageBuild } from './stage-build.ts';
import type { StageState } from './stage-state.ts';
import { findTarget, neededStages } from './stages.ts';
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
   * Dockerfile's line for what is wrong in it; a failed RUN carries `{ exitCode }` as its cause.
   */
  build(request: BuildRequest, onEvent: (event: BuildEvent) => void, signal: AbortSignal): Promise<Image>;
}

export function createBuilder(parts: BuilderParts): Builder {
  return { build: (request, onEvent, signal) => build(parts, request, onEvent, signal) };
}

async function build(
  parts: BuilderParts,
  request: BuildRequest,
  onEvent: (event: BuildEvent) => void,
  signal: AbortSignal,
): Promise<Image> {
  const { store, scratchDirectory } = parts;
  await mkdir(`${scratchDirectory}/contexts`, { recursive: true, mode: 0o700 });
  const spool = `${scratchDirectory}/contexts/${randomBytes(12).toString('hex')}`;
  await using context = await BuildContext.receive(request.context, spool, signal);
  const dockerfile = parseDockerfile(request.dockerfile, await readDockerfile(context, request.dockerfile));
  const target = findTarget(dockerfile, request.target);
  const stages = neededStages(dockerfile, target);
  const say = (text: string) => onEvent({ kind: 'output', text });

  // One failing stage stops the others.
  const stop = new AbortController();
  const stageSignal = AbortSignal.any([signal, stop.signal]);
  const running = new Map<number, Promise<StageState>>();
  let step = 0;
  const steps = stages.reduce((sum, { instructions }) => sum + 1 + instructions.length, 0);
  for (const stage of stages) {
    const stageBuild = new StageBuild({
      ...parts,
      request,
      dockerfile,
      context,
      stage,
      cache: new StepCache(store),
      ignored: await ignoreTest(context),
      stageState: (number) =>
        running.get(number) ?? Promise.reject(new RangeError(`stage ${number} is not running`)),
      announce: (text) => say(`Step ${++step}/${steps} : ${text}\n`),
      onEvent,
      signal: stageSignal,
    });
    const state = stageBuild.run();
    state.catch((error: unknown) => stop.abort(error));
    running.set(stage.number, state);
  }
  const states = await settle([...running.values()]);
  const final = states.at(-1);
  if (final === undefined) throw new RangeError('a build without stages');
  const image = await finish(parts.store, request, final, signal);
  say(`Successfully built ${shortId(image.id)}\n`);
  for (const tag of request.tags) say(`Successfully tagged ${familiarName(tag)}\n`);
  onEvent({ kind: 'result', imageId: image.id });
  return image;
}

/** Waits for every stage to end, so that nothing runs on after a failure; throws the first one. */
async function settle(running: readonly Promise<StageState>[]): Promise<StageState[]> {
  await Promise.allSettled(running);
  const failed = await Promise.race([
    ...running.map((state) => state.then(() => undefined)),
    Promise.resolve(undefined),
  ]).catch((error: unknown) => error);
  if (failed !== undefined) throw failed;
  return Promise.all(running);
}

async function readDockerfile(context: BuildContext, path: string): Promise<string> {
  const entry = context.get(path.replace(/^\.\//, ''));
  if (entry?.type !== 'file') {
    throw invalid(`Cannot locate specified Dockerfile: ${path}`, {
      hint: 'Name it with -f, relative to the context folder',
    });
  }
  return (await context.read(entry)).toString();
}

/** Clients leave excluded files out; the file itself tells why a source is missing. */
async function ignoreTest(context: BuildContext): Promise<(path: string) => boolean> {
  const entry = context.get('.dockerignore');
  if (entry?.type !== 'file') return () => false;
  const rules = dockerignore.default().add((await context.read(entry)).toString());
  return (path) => path !== '' && rules.ignores(path);
}

/** The image of the last stage: the very same one as before when nothing has changed. */
async function finish(
  store: Store,
  request: BuildRequest,
  state: StageState,
  signal: AbortSignal,
): Promise<Image> {
  signal.throwIfAborted();
  const cache = new StepCache(store);
  const key = stepKey(state.key, 'image', request.labels, request.platform);
  const known = request.noCache ? undefined : await cache.findImage(key);
  const tags = request.tags.map((tag) => canonicalName(tag));
  if (known !== undefined) {
    for (const tag of tags) if (!known.tags.includes(tag)) await store.images.tag(known.id, tag);
    if (tags.length === 0) await store.images.add({ configBytes: known.configBytes });
    return known;
  }
  const image = await store.images.add({
    configBytes: Buffer.from(JSON.stringify(imageConfig(request, state))),
    tags,
  });
  cache.rememberImage(key, image);
  return image;
}

function imageConfig(request: BuildRequest, { config, layers, history }: StageState): ImageConfig {
  const created = new Date().toISOString();
  const labels = { ...config.Labels, ...request.labels };
  return {
    architecture: request.platform.architecture,
    os: request.platform.os,
    created,
    config: { ...config, ...(Object.keys(labels).length === 0 ? {} : { Labels: labels }) },
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    history: history.map((entry) => ({ created, ...entry })),
  };
}
