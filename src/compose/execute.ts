import { BerthError, errorMessage, isBerthError } from '../base/index.ts';
import type { EngineClient } from '../client/index.ts';
import { buildImage, pullImage } from './image-steps.ts';
import { ofEither } from './members.ts';
import type { Action, Plan, Step, WaitCondition } from './plan.ts';
import type { Progress, ProgressEvent } from './progress.ts';
import { waitFor } from './wait-condition.ts';

export interface ExecuteOptions {
  readonly client: EngineClient;
  readonly progress: Progress;
  /** Ends what waits, and begins nothing new. */
  readonly signal?: AbortSignal;
  /** Awaited before a container is started, and for one that runs already: the moment to attach to it. */
  readonly beforeStart?: (name: string) => Promise<void>;
}

/**
 * Does what a plan says, each step as soon as those it waits for are done. It decides nothing. After a failure nothing
 * new begins and builds are given up; the other steps in work are finished, then the failure is thrown.
 */
export async function execute(plan: Plan, options: ExecuteOptions): Promise<void> {
  const run = new PlanRun(options);
  const done = new Map<string, Promise<void>>();
  for (const step of plan.steps) {
    const before = step.after.flatMap((id) => done.get(id) ?? []);
    done.set(step.id, run.step(step, before));
  }
  await Promise.allSettled(done.values());
  run.throwFailure();
}

class PlanRun {
  readonly #options: ExecuteOptions;
  readonly #failed = new AbortController();
  /** Ends waiting, for a failure or because the caller wants it. */
  readonly #signal: AbortSignal;

  constructor(options: ExecuteOptions) {
    this.#options = options;
    const { signal } = options;
    this.#signal = AbortSignal.any([this.#failed.signal, ...(signal === undefined ? [] : [signal])]);
  }

  async step({ action }: Step, before: readonly Promise<void>[]): Promise<void> {
    await Promise.all(before);
    if (this.#signal.aborted) throw new BerthError('cancelled', 'an earlier step failed');
    const subject = subjectOf(action);
    const { progress } = this.#options;
    const [working, finished] = WORDS[action.kind];
    if (working !== '') progress.report({ subject, state: 'working', text: working });
    try {
      const outcome = await this.#do(action);
      progress.report({ subject, state: 'done', text: finished, ...outcome });
    } catch (error) {
      const isCancelled = isBerthError(error, 'cancelled') || this.#signal.aborted;
      if (!isCancelled)
        progress.report({ subject, state: 'failed', text: 'Error', detail: errorMessage(error) });
      this.#failed.abort(error);
      throw error;
    }
  }

  /** Throws the first failure; a caller's wish to end is one. */
  throwFailure(): void {
    if (this.#failed.signal.aborted) throw this.#failed.signal.reason;
    this.#options.signal?.throwIfAborted();
  }

  /** Returns what progress shows of it, where that is not the usual word. */
  async #do(action: Action): Promise<Outcome | undefined> {
    const { client, beforeStart } = this.#options;
    const { containers, networks, volumes, images } = client;
    switch (action.kind) {
      case 'build-image':
        await buildImage(action, this.#options, this.#signal);
        return;
      case 'pull-image':
        await pullImage(action, this.#options, this.#signal);
        return;
      case 'remove-image':
        return unlessUsed(images.remove(action.image));
      case 'create-network':
        await networks.create(action.request);
        return;
      case 'remove-network':
        return unlessUsed(networks.remove(action.id));
      case 'create-volume':
        await volumes.create(action.request);
        return;
      case 'remove-volume':
        return unlessUsed(volumes.remove(action.name));
      case 'create-container':
        await containers.create(action.request, { name: action.name, platform: action.platform });
        return;
      case 'create-machine':
        await client.machines.create(action.request, { name: action.name, signal: this.#signal });
        return;
      case 'recreate-container':
        await this.#recreate(action);
        return;
      case 'keep-container':
        await beforeStart?.(action.name);
        return;
      case 'start-container':
        await beforeStart?.(action.name);
        await ofEither(client, (members) => members.start(action.name));
        return;
      case 'restart-container':
        await ofEither(client, (members) => members.restart(action.name, { timeout: action.timeout }));
        return;
      case 'stop-container':
        await ignoringGone(
          ofEither(client, (members) => members.stop(action.id, { timeout: action.timeout })),
        );
        return;
      case 'kill-container':
        // It may have ended meanwhile, which is what was wanted.
        await ofEither(client, (members) => members.kill(action.id)).catch((error: unknown) => {
          if (!isBerthError(error, 'conflict')) throw error;
        });
        return;
      case 'pause-container':
        await ofEither(client, (members) => members.pause(action.id));
        return;
      case 'unpause-container':
        await ofEither(client, (members) => members.unpause(action.id));
        return;
      case 'remove-container':
        await ignoringGone(
          ofEither(client, (members) => members.remove(action.id, { force: true, volumes: action.volumes })),
        );
        return;
      case 'await-container':
        return this.#await(action);
    }
  }

  /** The old one goes only when the new one is there: a request that is refused changes nothing. */
  async #recreate(action: Extract<Action, { kind: 'recreate-container' }>): Promise<void> {
    const { containers } = this.#options.client;
    const { name, request, replaces, platform, timeout } = action;
    const temporaryName = `${replaces.id.slice(0, 12)}_${name}`;
    const { Id: id } = await containers.create(request, { name: temporaryName, platform });
    await ignoringGone(containers.stop(replaces.id, { timeout }));
    await ignoringGone(containers.remove(replaces.id, { force: true }));
    await containers.rename(id, name);
  }

  async #await(action: Extract<Action, { kind: 'await-container' }>): Promise<Outcome> {
    const { client } = this.#options;
    const { name, service, condition, required } = action;
    try {
      const options = { signal: this.#signal };
      const { Id: id } = await ofEither(client, (members) => members.inspect(name, options));
      await waitFor(client, { id, name, service, condition }, this.#signal);
      return { state: 'done', text: REACHED[condition] };
    } catch (error) {
      if (required || this.#signal.aborted) throw error;
      const detail = `optional dependency "${service}" failed to start: ${errorMessage(error)}`;
      return { state: 'warning', text: 'Skipped', detail };
    }
  }
}

type Outcome = Omit<ProgressEvent, 'subject'>;

/** What something else still uses stays, which is worth a warning; what is gone already is done. */
async function unlessUsed(removal: Promise<unknown>): Promise<Outcome | undefined> {
  try {
    await ignoringGone(removal);
    return undefined;
  } catch (error) {
    if (!isBerthError(error, 'conflict') && !isBerthError(error, 'denied')) throw error;
    return { state: 'warning', text: 'Resource is still in use' };
  }
}

/** What is gone already need not be stopped or removed. */
async function ignoringGone(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!isBerthError(error, 'not-found')) throw error;
  }
}

/** What progress calls it. */
function subjectOf(action: Action): string {
  switch (action.kind) {
    case 'build-image':
    case 'pull-image':
    case 'remove-image':
      return `Image ${action.image}`;
    case 'create-network':
    case 'remove-network':
      return `Network ${action.name}`;
    case 'create-volume':
    case 'remove-volume':
      return `Volume ${action.name}`;
    default:
      return `Container ${action.name}`;
  }
}

/** Docker Compose's words for work that begins and that is done. */
const WORDS: Readonly<Record<Action['kind'], readonly [working: string, done: string]>> = {
  'build-image': ['Building', 'Built'],
  'pull-image': ['Pulling', 'Pulled'],
  'remove-image': ['Removing', 'Removed'],
  'create-network': ['Creating', 'Created'],
  'remove-network': ['Removing', 'Removed'],
  'create-volume': ['Creating', 'Created'],
  'remove-volume': ['Removing', 'Removed'],
  'create-container': ['Creating', 'Created'],
  'create-machine': ['Creating', 'Created'],
  'recreate-container': ['Recreate', 'Recreated'],
  'keep-container': ['', 'Running'],
  'start-container': ['Starting', 'Started'],
  'restart-container': ['Restarting', 'Started'],
  'stop-container': ['Stopping', 'Stopped'],
  'kill-container': ['Killing', 'Killed'],
  'pause-container': ['Pausing', 'Paused'],
  'unpause-container': ['Unpausing', 'Unpaused'],
  'remove-container': ['Removing', 'Removed'],
  'await-container': ['Waiting', ''],
};

const REACHED: Readonly<Record<WaitCondition, string>> = {
  service_started: 'Started',
  service_healthy: 'Healthy',
  service_completed_successfully: 'Exited',
  running_or_healthy: 'Healthy',
};
