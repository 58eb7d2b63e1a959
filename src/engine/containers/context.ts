import { type ContainerId, conflict } from '../../base/index.ts';
import type { NamespaceHandle } from '../../network/index.ts';
import type { Supervisor } from '../../runtime/index.ts';
import { GuestMemoryReaders } from '../../vm/index.ts';
import type { Events } from '../events.ts';
import { ImageMounts } from '../image-mounts.ts';
import type { Networks } from '../networks.ts';
import type { EngineParts } from '../parts.ts';
import type { Volumes } from '../volumes.ts';
import { PendingAttachments } from './attach.ts';
import { ContainerCollection } from './collection.ts';
import { type ContainerRecord, isComputer } from './container.ts';
import { EndReports } from './end-reports.ts';
import { RunningProbes } from './running-probes.ts';
import { allotmentsOf } from './vm/allotment.ts';
import { BriefMachines } from './vm/brief-machines.ts';
import { Endings } from './wait.ts';

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
  readonly briefMachines: BriefMachines;
  readonly guestMemory: GuestMemoryReaders;
}

/** The context of an instance's containers and machines; the records are read from its database. */
export function openContainerContext(
  parts: EngineParts,
  services: { events: Events; networks: Networks; volumes: Volumes },
): ContainerContext {
  const collection = new ContainerCollection(parts.store.documents);
  return {
    parts,
    ...services,
    imageMounts: new ImageMounts(parts.settings.execRoot),
    collection,
    running: new Map(),
    removing: new Set(),
    attachments: new PendingAttachments(),
    endings: new Endings(),
    probes: new RunningProbes(),
    ends: new EndReports(parts.store.documents),
    briefMachines: new BriefMachines(parts, () => allotmentsOf(collection.all())),
    guestMemory: new GuestMemoryReaders(),
  };
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

/** Emits a container's event with the attributes that Docker gives each; a machine's is of a type of its own. */
export function emit(
  context: ContainerContext,
  record: ContainerRecord,
  action: string,
  attributes: Readonly<Record<string, string>> = {},
): void {
  const { id, name, config } = record;
  const origin: Record<string, string> = isComputer(record) ? {} : { image: config.image };
  context.events.emit(isComputer(record) ? 'machine' : 'container', action, id, {
    ...config.labels,
    ...attributes,
    ...origin,
    name,
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
