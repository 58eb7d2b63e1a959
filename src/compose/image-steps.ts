import { BerthError, errorMessage, isBerthError } from '../base/index.ts';
import { type EngineClient, openBuildContext } from '../client/index.ts';
import { withValues } from './labels.ts';
import type { Action } from './plan.ts';
import type { Progress } from './progress.ts';

interface ImageWork {
  readonly client: EngineClient;
  readonly progress: Progress;
}

/**
 * Builds a service's image, its builder's output shown with the service's name before each line. What fails is thrown
 * with that name, in the builder's own words.
 */
export async function buildImage(
  { service, image, build, platform }: Extract<Action, { kind: 'build-image' }>,
  { client, progress }: ImageWork,
  signal: AbortSignal,
): Promise<void> {
  const output = new PrefixedLines(service, progress);
  try {
    const context = await openBuildContext(build.context, { dockerfile: build.dockerfile });
    const messages = client.build.run(context, {
      dockerfile: build.dockerfile,
      tags: [image, ...build.tags],
      buildArgs: buildArgs(build.args),
      labels: withValues(build.labels),
      target: build.target,
      noCache: build.noCache,
      pull: build.pull,
      platform,
      networkMode: build.network,
      extraHosts: build.extraHosts,
      cacheFrom: build.cacheFrom.length === 0 ? undefined : build.cacheFrom,
      shmSize: build.shmSize,
      isolation: build.isolation,
      signal,
    });
    for await (const { stream, status, id, progressDetail } of messages) {
      if (stream !== undefined) output.write(stream);
      else if (status !== undefined && progressDetail?.current === undefined)
        output.write(`${id === undefined ? '' : `${id}: `}${status}\n`);
    }
  } catch (error) {
    if (signal.aborted || !isBerthError(error)) throw error;
    const { hint } = error;
    throw new BerthError(error.kind, `failed to build service ${service}: ${error.message}`, {
      ...(hint === undefined ? {} : { hint }),
      cause: error,
    });
  } finally {
    output.end();
  }
}

/** Pulls an image; progress shows what its layers come to. */
export async function pullImage(
  { image, platform }: Extract<Action, { kind: 'pull-image' }>,
  { client, progress }: ImageWork,
  signal: AbortSignal,
): Promise<void> {
  try {
    for await (const { id, status } of client.images.pull(image, { platform, signal })) {
      if (id === undefined || status === undefined || !LAYER_STATES.has(status)) continue;
      const state = status === 'Pull complete' || status === 'Already exists' ? 'done' : 'working';
      progress.report({ subject: `${image} ${id}`, state, text: status });
    }
  } catch (error) {
    if (signal.aborted || !isBerthError(error)) throw error;
    const message = `failed to pull ${image}: ${errorMessage(error)}`;
    throw new BerthError(error.kind, message, { cause: error });
  }
}

/** What a layer's line shows; the bytes in between are left out. */
const LAYER_STATES = new Set(['Pulling fs layer', 'Download complete', 'Pull complete', 'Already exists']);

/** A key without a value takes the Dockerfile's default. */
function buildArgs(args: ReadonlyMap<string, string | null>): Record<string, string | undefined> {
  return Object.fromEntries([...args].map(([name, value]) => [name, value ?? undefined]));
}

/** Shows text by whole lines, each with a name before it. */
class PrefixedLines {
  readonly #prefix: string;
  readonly #progress: Progress;
  #pending = '';

  constructor(name: string, progress: Progress) {
    this.#prefix = `${name}  | `;
    this.#progress = progress;
  }

  write(text: string): void {
    const lines = (this.#pending + text).split('\n');
    this.#pending = lines.pop() ?? '';
    for (const line of lines) this.#progress.write(`${this.#prefix}${line.replace(/\r$/, '')}\n`);
  }

  end(): void {
    if (this.#pending !== '') this.write('\n');
  }
}
