import { readFile } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { type ContainerId, isBerthError } from '../../base/index.ts';
import { type ControlGroupUsage, findControlGroup, readUsage } from '../../runtime/index.ts';
import type { GuestMemory } from '../../vm/index.ts';
import { computerControl } from './computer/control.ts';
import type { ComputerDetails } from './computer/options.ts';
import { type ContainerRecord, isActive, isComputer, isMachine, type RunningDetails } from './container.ts';
import type { ContainerContext } from './context.ts';
import { controlOf } from './vm/guest.ts';
import { guestUsage } from './vm/usage.ts';

/** What a container uses at one moment. Times are nanoseconds, sizes bytes. */
export interface Usage extends ControlGroupUsage {
  readonly readAt: Date;
  /** CPU time of the whole host since it booted, idle time included; what a container's share is measured against. */
  readonly hostCpu: number;
  readonly onlineCpus: number;
  /** Bytes of the host's memory, the limit of containers without one. */
  readonly hostMemory: number;
  readonly interfaces: readonly InterfaceCounters[];
  /** What the system of a machine says of its memory, where it does. */
  readonly guestMemory?: GuestMemory;
}

/** The counters of a network interface, as the container sees it. */
export interface InterfaceCounters {
  readonly name: string;
  readonly received: TrafficCounters;
  readonly sent: TrafficCounters;
}

export interface TrafficCounters {
  readonly bytes: number;
  readonly packets: number;
  readonly errors: number;
  readonly dropped: number;
}

/** One reading of a container: what it uses, and used at the reading before; undefined while it does not run. */
export interface Reading {
  readonly record: ContainerRecord;
  readonly usage: Usage | undefined;
  readonly before: Usage | undefined;
}

/** Milliseconds between two readings, as in Docker. */
const INTERVAL = 1000;

/**
 * Reads a container's usage at once and then each second, until `signal` aborts or the container is removed. Nothing
 * is read for containers that nobody asks about. Throws `not-found` for a container that there is not.
 */
export async function* watchUsage(
  context: ContainerContext,
  reference: string,
  signal: AbortSignal,
): AsyncGenerator<Reading> {
  const found = context.collection.find(reference);
  if (!isComputer(found)) return yield* watch(context, found.id, signal);
  context.guestMemory.enter(found.id);
  try {
    yield* watch(context, found.id, signal);
  } finally {
    await context.guestMemory.leave(found.id, computerControl(context, found));
  }
}

async function* watch(
  context: ContainerContext,
  id: ContainerId,
  signal: AbortSignal,
): AsyncGenerator<Reading> {
  let before: Usage | undefined;
  try {
    for (;;) {
      const record = context.collection.get(id);
      if (record === undefined) return;
      const usage = await readContainerUsage(context, record, signal);
      yield { record, usage, before };
      before = usage;
      await delay(INTERVAL, undefined, { signal });
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** Undefined when the container does not run. */
async function readContainerUsage(
  context: ContainerContext,
  record: ContainerRecord,
  signal: AbortSignal,
): Promise<Usage | undefined> {
  const { id, state, host } = record;
  if (!isActive(state)) return undefined;
  if (isMachine(record)) return readGuestUsage(context, record, signal);
  const { pid, computer } = state;
  try {
    const group = await findControlGroup({ pid, id }, context.parts.hostFacts.cgroups.version);
    const ownsNetwork = host.networkMode !== 'host';
    const [usage, cpu, interfaces] = await Promise.all([
      readUsage(group),
      readHostCpu(),
      ownsNetwork ? readInterfaces(pid) : [],
    ]);
    if (usage === undefined) return undefined;
    const reading = { readAt: new Date(), ...usage, ...cpu, hostMemory: totalmem(), interfaces };
    if (computer === undefined) return reading;
    return { ...ofComputer(reading, state, computer), ...(await readGuestMemory(context, record)) };
  } catch (error) {
    if (isBerthError(error, 'not-found')) return undefined; // it has just ended
    throw error;
  }
}

/** What its QEMU uses, against the memory that it was given; of the interfaces not those that only lead into it. */
function ofComputer(usage: Usage, { endpoints }: RunningDetails, computer: ComputerDetails): Usage {
  const cards = new Set(endpoints.map(({ containerInterface }) => containerInterface));
  const { memory } = usage;
  return {
    ...usage,
    ...(memory === undefined ? {} : { memory: { ...memory, limit: computer.memory } }),
    interfaces: usage.interfaces.filter(({ name }) => cards.has(name)),
  };
}

/** Nothing of a machine that has just ended, stands still, or whose system says nothing. */
async function readGuestMemory(
  context: ContainerContext,
  record: ContainerRecord,
): Promise<Pick<Usage, 'guestMemory'>> {
  if (record.state.status !== 'running') return {};
  try {
    const guestMemory = await context.guestMemory.read(computerControl(context, record));
    return guestMemory === undefined ? {} : { guestMemory };
  } catch (error) {
    if (isBerthError(error, 'unavailable')) return {};
    throw error;
  }
}

/** Undefined when the guest has just ended, stands still, or does not answer. */
async function readGuestUsage(
  context: ContainerContext,
  record: ContainerRecord,
  signal: AbortSignal,
): Promise<Usage | undefined> {
  if (record.state.status !== 'running') return undefined;
  try {
    const control = controlOf(context, record);
    const [accounts, cpu] = await Promise.all([control.statistics(signal), readHostCpu()]);
    const interfaces = parseInterfaces(accounts.get('net/dev') ?? '');
    const usage = await guestUsage(accounts);
    if (usage === undefined) return undefined;
    return { readAt: new Date(), ...usage, ...cpu, hostMemory: totalmem(), interfaces };
  } catch (error) {
    if (isBerthError(error, 'unavailable')) return undefined;
    throw error;
  }
}

/** A tick of /proc/stat (USER_HZ, 100 on every architecture that berth runs on). */
const NANOSECONDS_PER_TICK = 1e7;

async function readHostCpu(): Promise<{ hostCpu: number; onlineCpus: number }> {
  const text = await readFile('/proc/stat', 'utf8');
  // user, nice, system, idle, iowait, irq, softirq: what Docker adds up.
  const ticks = /^cpu +(.*)$/m.exec(text)?.[1]?.split(' ').slice(0, 7).map(Number) ?? [];
  return {
    hostCpu: ticks.reduce((sum, count) => sum + count, 0) * NANOSECONDS_PER_TICK,
    onlineCpus: text.match(/^cpu\d+ /gm)?.length ?? 0,
  };
}

/** The interfaces in the network namespace of a process, but the loopback. */
async function readInterfaces(pid: number): Promise<InterfaceCounters[]> {
  const text = await readFile(`/proc/${pid}/net/dev`, 'utf8').catch(() => ''); // it has just ended
  return parseInterfaces(text);
}

/** Reads /proc/net/dev: after the name, eight counters of what was received and eight of what was sent. */
export function parseInterfaces(text: string): InterfaceCounters[] {
  return [...text.matchAll(/^ *([^:|\s]+): *(.*)$/gm)].flatMap(([, name = '', columns = '']) => {
    if (name === 'lo') return [];
    const counters = columns.trim().split(/\s+/).map(Number);
    return [{ name, received: traffic(counters.slice(0, 4)), sent: traffic(counters.slice(8, 12)) }];
  });
}

function traffic([bytes = 0, packets = 0, errors = 0, dropped = 0]: readonly number[]): TrafficCounters {
  return { bytes, packets, errors, dropped };
}
