import type { EngineClient } from '../client/index.ts';
import { type ExecuteOptions, execute } from './execute.ts';
import type { Project, Service } from './model.ts';
import { observe } from './observe.ts';
import { type Plan, phasesOf } from './plan.ts';
import { type ImageOptions, planImages } from './plan-images.ts';
import { planUp, type UpOptions } from './plan-up.ts';
import type { Progress } from './progress.ts';
import { imagesOf, selectServices, wantedImage } from './selection.ts';

/** What commands on a project act through. */
export interface ComposeRun {
  readonly client: EngineClient;
  readonly progress: Progress;
  /** For the user: what is left as it is although it looks wrong. */
  readonly warn: (text: string) => void;
  readonly signal?: AbortSignal;
}

export interface BringUpOptions extends UpOptions, ImageOptions {
  /** False for `--no-deps`. */
  readonly dependencies?: boolean;
  /** Told what is about to start, once all is created: what is shown of the starts are lines, no block. */
  readonly onStart?: (plan: Plan) => void;
  readonly beforeStart?: ExecuteOptions['beforeStart'];
}

/** `compose up`: builds and pulls what is missing, then makes the engine have what the project says, and starts it. */
export async function bringUp(
  run: ComposeRun,
  project: Project,
  options: BringUpOptions = {},
): Promise<void> {
  const { dependencies = true, onStart, beforeStart } = options;
  const services = selectServices(project, options.named ?? [], { dependencies });
  await prepareImages(run, project, services, options);
  const observed = await observe(run.client, project.name, imagesOf(project), run.signal);
  const plan = planUp(project, services, observed, options);
  for (const warning of plan.warnings) run.warn(warning);
  if (onStart === undefined) {
    await executeTitled('up', plan, run);
    return;
  }
  const { creation, start } = phasesOf(plan);
  await executeTitled('up', creation, run);
  onStart(start);
  await execute(start, { ...run, beforeStart });
}

async function prepareImages(
  run: ComposeRun,
  project: Project,
  services: readonly Service[],
  options: ImageOptions,
): Promise<void> {
  const wanted = services.map((service) => wantedImage(project, service));
  const { images } = await observe(run.client, project.name, wanted, run.signal);
  const plan = planImages(project, services, { images }, options);
  await executeTitled(titleOf(plan), plan, run);
}

/** Executes a plan as one block of progress. */
export async function executeTitled(
  title: string,
  plan: Plan,
  { client, progress, signal }: ComposeRun,
): Promise<void> {
  if (plan.steps.length === 0) return;
  progress.begin(title);
  try {
    await execute(plan, { client, progress, signal });
  } finally {
    progress.end();
  }
}

function titleOf({ steps }: Plan): string {
  return steps.some(({ action }) => action.kind === 'build-image') ? 'build' : 'pull';
}
