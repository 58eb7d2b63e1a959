import { type ContainerId, conflict } from '../../base/index.ts';
import type { NamespaceHandle } from '../../network/index.ts';
import type { Supervisor } from '../../runtime/index.ts';
import type { Events } from '../events.ts';
import type { ImageMounts } from '../image-mounts.ts';
import type { Networks } from '../networks.ts';
import type { EngineParts } from '../parts.ts';
import type { Volumes } from '../volumes.ts';
import type { PendingAttachments } from './attach.ts';
import type { ContainerCollection } from './collection.ts';
import type { ContainerRecord } from './container.ts';
import type { EndReports } from './end-reports.ts';
import type { RunningProbes } from './running-probes.ts';
import type { Endings } from './wait.ts';

/** What the operations on containers share. Each operation is a function in a file of its own. */
export interface ContainerContext {
  readonly parts: EngineParts;
  readonly events: Events;
  readonly networks: Networks;
  readonly volumes: Volumes;
  readonly imageMounts: ImageMounts;
  readonly collection: ContainerCollection;
  /** Handles of what runs now; gone from here when it has ended. */
  readonly running: Map<ContainerId, RunningContainer>;
  /** What is removed as soon as it has ended. */
  readonly removing: Set<ContainerId>;
  readonly attachments: PendingAttachments;
  readonly endings: Endings;
  readonly probes: RunningProbes;
  readonly ends: EndReports;
}

/** berthd's side of a container that runs. */
export interface RunningContainer {
  readonly supervisor: Supervisor;
  /** Held by the launcher until the container ends; undefined after berthd was restarted, as the supervisor holds it too. */
  readonly namespace: NamespaceHandle | undefined;
}

/** The handles of a container whose record says that it runs. Throws `conflict` in the moment between its end and the record's. */
export function runningOf(context: ContainerContext, { id }: ContainerRecord): RunningContainer {
  const running = context.running.get(id);
  if (running === undefined) throw conflict(`container ${id} is just ending`);
  return running;
}

/** Emits a container's event with the attributes that Docker gives each. */
export function emit(
  context: ContainerContext,
  record: ContainerRecord,
  action: string,
  attributes: Readonly<Record<string, string>> = {},
): void {
  context.events.emit('container', action, record.id, {
    ...record.config.labels,
    ...attributes,
    image: record.config.image,
    name: record.name,
  });
}

/** The container's own folder: bundle, writable layer, log, exit record. */
export function containerDirectory(context: ContainerContext, id: ContainerId): string {
  return `${context.parts.settings.dataRoot}/containers/${id}`;
}

/** The newest log file; rotated ones have `.1`, `.2` behind. */
export function logPath(context: ContainerContext, id: ContainerId): string {
  return `${containerDirectory(context, id)}/${id}-json.log`;
}

/** Where the OCI runtimes keep their state. */
export function runtimeRoot(context: ContainerContext): string {
  return `${context.parts.settings.execRoot}/runtime`;
}
