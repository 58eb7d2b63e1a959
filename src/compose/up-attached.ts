import { notFound } from '../base/index.ts';
import { AttachedContainers, type Ended } from './attached.ts';
import { execute } from './execute.ts';
import type { LogLines } from './log-lines.ts';
import type { Project } from './model.ts';
import { type ObservedContainer, observeContainers } from './observe.ts';
import type { Plan } from './plan.ts';
import { planKill, planStop } from './plan-lifecycle.ts';
import { logLabel } from './selection.ts';
import { type BringUpOptions, bringUp, type ComposeRun } from './up.ts';

export interface AttachOptions extends Omit<BringUpOptions, 'beforeStart' | 'onStart'> {
  readonly lines: LogLines;
  /** Told whom the lines are from, before the first one. */
  readonly onAttach: (names: readonly string[]) => void;
  /** Resolves at each wish of the user to end: the first stops all, the second kills. */
  readonly nextInterrupt: () => Promise<void>;
  /** Stop all when one ends, or when one fails. */
  readonly abortOn?: 'exit' | 'failure';
  /** The service whose exit code is the command's; implies `abortOn: 'exit'`. */
  readonly exitCodeFrom?: string;
}

/** After an interrupt, as a shell reports SIGINT. */
const INTERRUPTED = 130;

/**
 * `compose up` in the foreground: shows the output of all containers until they have ended, or until an interrupt or
 * an end stops the others. Returns the command's exit code.
 */
export async function upAttached(run: ComposeRun, project: Project, options: AttachOptions): Promise<number> {
  const { lines, onAttach, nextInterrupt, exitCodeFrom } = options;
  const labelOf = (container: string) => logLabel(project.name, container);
  if (exitCodeFrom !== undefined && !project.services.some(({ name }) => name === exitCodeFrom)) {
    throw notFound(`no such service: ${exitCodeFrom}`);
  }
  const leaving = new AbortController();
  const interrupted = nextInterrupt().then(() => 'interrupted' as const);
  const attached = new AttachedContainers(run.client, lines, labelOf, leaving.signal);
  const giveUp = new AbortController();
  try {
    const up = bringUp({ ...run, signal: giveUp.signal }, project, {
      ...options,
      onStart: (plan) => {
        const labels = attachedNames(plan).map(labelOf);
        for (const label of labels) lines.add(label);
        onAttach(labels);
      },
      beforeStart: (name) => attached.attach(name),
    });
    const started = await Promise.race([up, interrupted]);
    if (started === 'interrupted') {
      giveUp.abort();
      await Promise.allSettled([up]);
    }
    const why = started ?? (await Promise.race([interrupted, ending(attached, options)]));
    if (why !== 'ended') await stopAll(run, project, options, why);
    const ends = await attached.all();
    return exitCode(why, ends, await observeContainers(run.client, project.name), exitCodeFrom);
  } finally {
    leaving.abort();
  }
}

function attachedNames({ steps }: Plan): string[] {
  return steps
    .flatMap(({ action }) =>
      action.kind === 'keep-container' || action.kind === 'start-container' ? [action.name] : [],
    )
    .sort();
}

/** Resolves with what ends the command by itself. */
async function ending(
  attached: AttachedContainers,
  { abortOn, exitCodeFrom }: AttachOptions,
): Promise<'ended' | Ended> {
  const all = attached.all().then(() => 'ended' as const);
  if (exitCodeFrom !== undefined || abortOn === 'exit') return Promise.race([attached.first(), all]);
  return abortOn === 'failure' ? Promise.race([attached.firstFailure(), all]) : all;
}

async function stopAll(
  run: ComposeRun,
  project: Project,
  { timeout, nextInterrupt }: AttachOptions,
  why: 'interrupted' | Ended,
): Promise<void> {
  const detail =
    why === 'interrupted'
      ? 'Gracefully Stopping... press Ctrl+C again to force'
      : 'Aborting on container exit...';
  run.progress.report({ subject: 'Compose', state: 'working', text: 'Stopping', detail });
  const containers = await observeContainers(run.client, project.name);
  const cause = why === 'interrupted' ? 'interrupted' : `${why.name} ended`;
  const { client, progress } = run;
  const stopped = execute(planStop(containers, { timeout, cause }), { client, progress });
  const forced = nextInterrupt().then(() => 'forced' as const);
  if ((await Promise.race([stopped, forced])) !== 'forced') return;
  const left = await observeContainers(run.client, project.name);
  await execute(planKill(left, 'interrupted again'), { client, progress });
  await Promise.allSettled([stopped]);
}

function exitCode(
  why: 'ended' | 'interrupted' | Ended,
  ends: readonly Ended[],
  containers: readonly ObservedContainer[],
  exitCodeFrom: string | undefined,
): number {
  if (exitCodeFrom !== undefined) {
    const names = containers.filter(({ service }) => service === exitCodeFrom).map(({ name }) => name);
    return ends.find(({ name }) => names.includes(name))?.exitCode ?? INTERRUPTED;
  }
  if (why === 'interrupted') return INTERRUPTED;
  return why === 'ended' ? 0 : why.exitCode;
}
