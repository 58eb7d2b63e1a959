/** Compose projects: loading them, planning what makes an engine have what they say, and doing it. */

export { configText } from './config-text.ts';
export {
  containersOf,
  killServices,
  pauseServices,
  removeStopped,
  restartServices,
  type Selected,
  serviceNames,
  startServices,
  stopServices,
  takeDown,
  unpauseServices,
} from './down.ts';
export type { ProjectLocation } from './find-files.ts';
export { COMPOSE_VERSION, LABEL } from './labels.ts';
export { LogLines, type LogLinesOptions } from './log-lines.ts';
export { showLogs } from './logs.ts';
export type * from './model.ts';
export type { Observed, ObservedContainer } from './observe.ts';
export { createOneOff, type OneOffOptions } from './one-off.ts';
export { describePlan, type Plan } from './plan.ts';
export { type DownOptions, type DownProject, downProject } from './plan-down.ts';
export {
  type BuildCommandOptions,
  type ImageOptions,
  planBuilds,
  planImages,
  planPulls,
} from './plan-images.ts';
export { planUp, type UpOptions } from './plan-up.ts';
export { type Progress, type ProgressMode, plainProgress, quietProgress } from './progress.ts';
export { type LoadOptions, loadProject } from './project.ts';
export { imageOf, selectServices } from './selection.ts';
export { parsePortShort, parseVolumeShort, splitCommand } from './short-forms.ts';
export { terminalProgress } from './terminal-progress.ts';
export { type BringUpOptions, bringUp, type ComposeRun, executeTitled } from './up.ts';
export { type AttachOptions, upAttached } from './up-attached.ts';
