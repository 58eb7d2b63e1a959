import { writeFile } from 'node:fs/promises';
import { constants } from 'node:os';
import { type ContainerId, crashPoint, errorMessage, isBerthError, Timeline } from '../../base/index.ts';
import {
  type OciRuntime,
  type OciSpec,
  type PortPlan,
  requireRuntime,
  type Supervisor,
} from '../../runtime/index.ts';
import { prepareComputer } from './computer/bundle.ts';
import type { ComputerDetails } from './computer/options.ts';
import { takeUpSnapshot } from './computer/snapshots.ts';
import { type Connection, connect, disconnect } from './connect.ts';
import {
  type ContainerRecord,
  type ContainerState,
  hasOwnKernel,
  isComputer,
  isMachine,
  type MachineDetails,
  type StartError,
} from './container.ts';
import { type ContainerContext, containerDirectory, emit, runtimeRoot } from './context.ts';
import { imageOf } from './create.ts';
import { reportOfFailedStart } from './end-reports.ts';
import { watchForEnd } from './finish.ts';
import { mountShared, ownSharedMemory, unmountShared } from './host-mounts.ts';
import { logFilePath, logPlan } from './logs/index.ts';
import { writeNetworkFiles } from './network-files.ts';
import { admit } from './operations.ts';
import { reportPortRefusals } from './port-refusals.ts';
import { removeLocked } from './remove.ts';
import { restartPlan } from './restart.ts';
import { specOf } from './spec.ts';
import { explainStartFailure, startExitCode } from './start-failure.ts';
import { type PreparedStart, writeMachineBundle } from './vm/bundle.ts';
import { releaseGuest, startedMachine } from './vm/guest.ts';
import { watchRoom } from './vm/room.ts';
import { fillVolumes } from './volume-copy.ts';

/** What a start reports beside success. */
export interface StartResult {
  /** The container ran already. */
  readonly alreadyRunning: boolean;
  readonly warnings: readonly string[];
}

/**
 * Starts a container as `docker start` does; its steps are noted in `timeline`. Throws with the reason; nothing is left
 * behind then.
 */
export function startContainer(
  context: ContainerContext,
  reference: string,
  timeline: Timeline,
): Promise<StartResult> {
  const { id } = context.collection.find(reference);
  return context.collection.exclusively(id, async () => {
    const record = context.collection.find(id);
    if (!admit(record, 'start')) return { alreadyRunning: true, warnings: [] };
    const isFresh = record.restartCount === 0 && !record.stoppedByUser;
    const fresh = isFresh ? record : context.collection.update(id, { restartCount: 0, stoppedByUser: false });
    return { alreadyRunning: false, warnings: await startLocked(context, fresh, timeline) };
  });
}

/** The start itself; the caller holds the container's lock. */
export async function startLocked(
  context: ContainerContext,
  record: ContainerRecord,
  timeline = new Timeline(),
): Promise<readonly string[]> {
  void context.parts.gracePeriod.begin();
  using _spares = context.parts.network.holdSpares();
  try {
    return await prepareAndRun(context, record, timeline);
  } catch (error) {
    const reason = await explainStartFailure(error, context, record);
    context.attachments.refuse(record.id, reason);
    const exitCode = startExitCode(reason);
    const state = stateAfterFailure(record, { message: reason.describe(), exitCode });
    const report = reportOfFailedStart(exitCode, reason.describe());
    const failed = context.collection.note(
      record.id,
      { state },
      { beside: () => context.ends.add(record.id, report) },
    );
    context.endings.announce(record.id, 'next-exit', { exitCode, error: reason.describe() });
    if (record.host.autoRemove) await removeLocked(context, failed, { removeVolumes: true });
    throw reason;
  }
}

/** As in Docker: one that has run before has exited, with the last run's times and this failure. */
function stateAfterFailure({ state }: ContainerRecord, error: StartError): ContainerState {
  if (state.status !== 'exited' && state.status !== 'restarting') return { status: 'created', error };
  const { startedAt, finishedAt } = state;
  const { exitCode, message } = error;
  return { status: 'exited', exitCode, oomKilled: false, startedAt, finishedAt, error: message };
}

async function prepareAndRun(
  context: ContainerContext,
  record: ContainerRecord,
  timeline: Timeline,
): Promise<readonly string[]> {
  const image = isComputer(record) ? undefined : await imageOf(context, record);
  const {
    layers,
    config: { architecture },
  } = image ?? { layers: [], config: { architecture: '' } };
  const { connection, supervisor } = await prepareAtLast(context, record, layers, timeline);
  try {
    crashPoint('start.launched');
    const bundle = await timeline.step('bundle', () =>
      writeBundle(context, record, { connection, supervisor, layers, architecture }, timeline),
    );
    await timeline.step('volumes', () => fillVolumes(context, record, layers));
    await timeline.step('ports', () => publish(context, record.id, supervisor.ports));
    crashPoint('start.published');
    await timeline.step('attach', () => context.attachments.connect(record.id, supervisor));
    const { pid, startedAt } = await timeline.step('oci-runtime', () => supervisor.run());
    const machine =
      bundle.kind === 'vm' ? await startedMachine(context, record, bundle.machine, timeline) : undefined;
    crashPoint('start.running');
    if (bundle.kind === 'machine' && bundle.isResumed) {
      // What restarts it boots: the state is the one of disks that it writes to now.
      await prepareComputer(context, record, { connection, supervisor }, timeline);
    }
    if (bundle.kind === 'container') learnSeccomp(context, record, bundle.spec);
    context.running.set(record.id, { supervisor, namespace: connection.namespace });
    const state = {
      status: 'running',
      pid,
      startedAt: startedAt.toISOString(),
      endpoints: connection.endpoints,
      ports: supervisor.ports,
      ...(machine === undefined ? {} : { machine }),
      ...(bundle.kind === 'machine' ? { computer: bundle.computer } : {}),
    } as const;
    // It runs, and may have filled the disk already.
    const started = await timeline.step('record', () => context.collection.note(record.id, { state }));
    crashPoint('start.recorded');
    emit(context, started, 'start');
    reportPortRefusals(context, started, supervisor);
    watchForEnd(context, record.id, supervisor);
    watchRoom(context, record);
    return bundle.warnings;
  } catch (error) {
    await abandon(context, record, supervisor);
    await release(context, record, connection);
    throw error;
  }
}

/** What a start has before anything of the container runs. */
interface Prepared {
  readonly connection: Connection;
  readonly supervisor: Supervisor;
}

/** As {@link prepare}, begun anew when the launcher ended in the middle of it: what that one held is gone. */
async function prepareAtLast(...start: Parameters<typeof prepare>): Promise<Prepared> {
  const [context] = start;
  const { launcher } = context.parts;
  const pid = await launcher.identify();
  try {
    return await prepare(...start);
  } catch (error) {
    if ((await launcher.identify()) === pid) throw error;
    return await prepare(...start);
  }
}

async function prepare(
  context: ContainerContext,
  record: ContainerRecord,
  layers: readonly { path: string }[],
  timeline: Timeline,
): Promise<Prepared> {
  const connection = await timeline.step('network', () => connect(context, record));
  crashPoint('start.connected');
  try {
    await mountShared(context, record);
    const supervisor = await timeline.step('supervisor', () => launch(context, record, connection, layers));
    return { connection, supervisor };
  } catch (error) {
    await release(context, record, connection);
    throw error;
  }
}

/** What a container has beside its supervisor and its process. */
async function release(
  context: ContainerContext,
  record: ContainerRecord,
  { endpoints, namespace }: Connection,
): Promise<void> {
  await disconnect(context, record, endpoints, namespace);
  await unmountShared(context, record);
  await releaseGuest(context, record);
}

/** Ends the supervisor of a start that failed, and the container if it runs already. */
async function abandon(
  context: ContainerContext,
  record: ContainerRecord,
  supervisor: Supervisor,
): Promise<void> {
  try {
    if (!context.running.delete(record.id)) return await supervisor.discard();
    await supervisor.cancelRestart();
    await supervisor.signal(constants.signals.SIGKILL);
    await supervisor.exited;
  } catch (error) {
    if (isBerthError(error, 'unavailable')) return; // it has ended by itself
    context.parts.log.warn(
      { id: record.id, error: errorMessage(error) },
      'a failed start left its supervisor',
    );
  }
}

async function launch(
  context: ContainerContext,
  record: ContainerRecord,
  connection: Connection,
  layers: readonly { path: string }[],
): Promise<Supervisor> {
  const directory = containerDirectory(context, record.id);
  const isVm = hasOwnKernel(record);
  const runtime = runtimeFor(context, record);
  const log = await logPlan(record, logFilePath(context, record));
  return context.parts.launcher.launch({
    id: record.id,
    directory,
    root: {
      layers: layers.map(({ path }) => path),
      // A guest writes to a disk of its own; here its root is only looked at.
      writable: isVm ? undefined : { upper: `${directory}/upper`, work: `${directory}/work` },
    },
    terminal: record.config.tty,
    openStdin: record.config.openStdin,
    stdinOnce: record.config.stdinOnce,
    network: connection.namespace,
    ports: connection.ports,
    log,
    restart: restartPlan(record.host.restart),
    restarts: record.restartCount,
    shmSize: isVm ? 0 : ownSharedMemory(record),
    runtime: {
      path: runtime.path,
      args: runtime.args,
      root: runtimeRoot(context),
    },
  });
}

/** What a start runs, in its container's folder. */
type Bundle = { readonly warnings: readonly string[] } & (
  | { readonly kind: 'container'; readonly spec: OciSpec }
  | { readonly kind: 'vm'; readonly machine: MachineDetails }
  | { readonly kind: 'machine'; readonly computer: ComputerDetails; readonly isResumed: boolean }
);

async function writeBundle(
  context: ContainerContext,
  record: ContainerRecord,
  prepared: PreparedStart,
  timeline: Timeline,
): Promise<Bundle> {
  if (isMachine(record)) {
    return { kind: 'vm', ...(await writeMachineBundle(context, record, prepared, timeline)) };
  }
  if (isComputer(record)) {
    const resume = await timeline.step('snapshots', () => takeUpSnapshot(context, record));
    const computer = await prepareComputer(context, record, prepared, timeline, resume);
    return { kind: 'machine', computer, isResumed: resume !== undefined, warnings: [] };
  }
  const files = await writeNetworkFiles(context, record, prepared.connection);
  const { value: spec, warnings } = await specOf(context, record, { ...prepared, files });
  const bundled = await context.parts.seccomp.apply(spec, runtimeOf(context, record));
  await writeFile(`${containerDirectory(context, record.id)}/config.json`, JSON.stringify(bundled), {
    mode: 0o600,
  });
  return { kind: 'container', spec, warnings };
}

/** What the supervisor starts it by. */
function runtimeFor(context: ContainerContext, record: ContainerRecord): Pick<OciRuntime, 'path' | 'args'> {
  const { machines, computers } = context.parts;
  if (isMachine(record)) return machines.runtime;
  return isComputer(record) ? computers.runtime : runtimeOf(context, record);
}

function runtimeOf(context: ContainerContext, record: ContainerRecord): OciRuntime {
  return requireRuntime(context.parts.runtimes, record.host.runtime);
}

/** Keeps the filter that the runtime has just compiled for the next start; not in this one's way. */
function learnSeccomp(context: ContainerContext, record: ContainerRecord, spec: OciSpec): void {
  const stateDirectory = `${runtimeRoot(context)}/${record.id}`;
  context.parts.seccomp.learn(spec, runtimeOf(context, record), stateDirectory).catch((error: unknown) => {
    context.parts.log.warn({ error: errorMessage(error) }, 'a compiled seccomp filter could not be kept');
  });
}

/** Firewall rules for the ports, now that the kernel has chosen those that were left open. */
async function publish(
  context: ContainerContext,
  id: ContainerId,
  ports: readonly PortPlan[],
): Promise<void> {
  if (ports.length > 0) await context.parts.network.publish(id, ports);
}
