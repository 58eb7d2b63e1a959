import type { EngineClient } from '../client/index.ts';
import { type ExecuteOptions, execute } from './execute.ts';
import type { Project, Service } from './model.ts';
import { observe } from './observe.ts';
import type { Plan } from './plan.ts';
import { type ImageOptions, planImages } from './plan-images.ts';
import { planUp, type UpOptions } from './plan-up.ts';
import type { Progress } from './progress.ts';
import { imageOf, imagesOf, selectServices } from './selection.ts';

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
  /** Told the plan before it is executed. */
  readonly onPlan?: (plan: Plan) => void;
  readonly beforeStart?: ExecuteOptions['beforeStart'];
}

/** `compose up`: builds and pulls what is missing, then makes the engine have what the project says, and starts it. */
export async function bringUp(
  run: ComposeRun,
  project: Project,
  options: BringUpOptions = {},
): Promise<void> {
  const { dependencies = true, onPlan, beforeStart } = options;
  const services = selectServices(project, options.named ?? [], { dependencies });
  await prepareImages(run, project, services, options);
  const observed = await observe(run.client, project.name, imagesOf(project), run.signal);
  const plan = planUp(project, services, observed, options);
  for (const warning of plan.warnings) run.warn(warning);
  onPlan?.(plan);
  await executeTitled('up', plan, run, beforeStart);
}

async function prepareImages(
  run: ComposeRun,
  project: Project,
  services: readonly Service[],
  options: ImageOptions,
): Promise<void> {
  const references = services.map((service) => imageOf(project, service));
  const { images } = await observe(run.client, project.name, references, run.signal);
  const plan = planImages(project, services, { images }, options);
  await executeTitled(titleOf(plan), plan, run);
}

/** Executes a plan as one block of progress. */
export async function executeTitled(
  title: string,
  plan: Plan,
  { client, progress, signal }: ComposeRun,
  beforeStart?: ExecuteOptions['beforeStart'],
): Promise<void> {
  if (plan.steps.length === 0) return;
  progress.begin(title);
  try {
    await execute(plan, { client, progress, signal, beforeStart });
  } finally {
    progress.end();
  }
}

function titleOf({ steps }: Plan): string {
  return steps.some(({ action }) => action.kind === 'build-image') ? 'build' : 'pull';
}
