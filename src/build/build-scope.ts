import type { Launcher } from '../runtime/index.ts';
import type { Image, Store } from '../store/index.ts';
import type { BuildContext } from './context.ts';
import type { BuildHost, BuildRequest } from './contract.ts';
import type { Dockerfile } from './dockerfile/instructions.ts';
import type { KeptStages } from './kept-stages.ts';
import type { Slots } from './slots.ts';
import type { PlacedStage } from './stages.ts';
import type { StepReports } from './step-report.ts';

/** What all stages of one build share. */
export interface BuildScope {
  readonly store: Store;
  readonly launcher: Launcher;
  readonly host: BuildHost;
  readonly scratchDirectory: string;
  readonly kept: KeptStages;
  /** Bounds the steps that are worked on at once, over all builds. */
  readonly slots: Slots;
  readonly request: BuildRequest;
  readonly dockerfile: Dockerfile;
  /** All stages of the Dockerfile, by their number. */
  readonly stages: readonly PlacedStage[];
  readonly context: () => Promise<BuildContext>;
  /** Whether .dockerignore excludes a path of the context. */
  readonly ignored: (path: string) => boolean;
  readonly reports: StepReports;
  /** The images that stages begin with, by their names: each is looked for once. */
  readonly baseImages: Map<string, Promise<Image>>;
  /** Aborted with the reason when the build is cancelled or another stage has failed. */
  readonly signal: AbortSignal;
}
