import { once } from 'node:events';
import { connect as connectTo, type Socket } from 'node:net';
import { constants } from 'node:os';
import {
  asBerthError,
  type ContainerId,
  errorMessage,
  formatDuration,
  unavailable,
} from '../../base/index.ts';
import { addressesOf } from '../../network/index.ts';
import type { ExecSession } from '../../runtime/index.ts';
import { type ContainerRecord, isActive, isComputer, isMachine } from './container.ts';
import type { ContainerContext } from './context.ts';
import type { Execs } from './exec.ts';
import type { ProbePlan } from './healthcheck.ts';
import { type NetworkProbe, type ProbeAnswer, probeBy, probeNetwork } from './network-probe.ts';
import { controlOf } from './vm/guest.ts';

/** What one probe found out (Engine API, HealthcheckResult). */
export interface ProbeResult {
  readonly start: Date;
  readonly end: Date;
  /** 0: healthy. -1: the probe did not run to its end. */
  readonly exitCode: number;
  /** At most {@link OUTPUT_LIMIT} bytes of what it printed, or why it did not run. */
  readonly output: string;
}

/** Bytes of a probe's output that are kept, as in Docker. */
const OUTPUT_LIMIT = 4096;

/** Makes one probe of a container's health: by a command in it, or by a connection in its network. */
export async function runProbe(
  context: ContainerContext,
  execs: Execs,
  container: ContainerId,
  plan: ProbePlan,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const { probe } = plan;
  if (probe.kind === 'command') {
    return runCommand(context, execs, container, { ...plan, args: probe.args }, signal);
  }
  const start = new Date();
  const finished = (exitCode: number, output: string) => ({ start, end: new Date(), exitCode, output });
  const timeout = AbortSignal.timeout(plan.timeout);
  try {
    const record = context.collection.find(container);
    if (!isActive(record.state)) return finished(-1, 'the container has ended');
    const either = AbortSignal.any([signal, timeout]);
    const answer = await connectAndAsk(context, record, record.state.pid, probe, either);
    return finished(answer.isWell ? 0 : 1, answer.output.slice(0, OUTPUT_LIMIT));
  } catch (error) {
    if (timeout.aborted) return finished(-1, timeoutMessage(plan));
    return finished(-1, asBerthError(error).describe());
  }
}

/** In its network, which a virtual machine has inside; a machine of the user's own is reached as others reach it. */
function connectAndAsk(
  context: ContainerContext,
  record: ContainerRecord,
  pid: number,
  probe: NetworkProbe,
  signal: AbortSignal,
): Promise<ProbeAnswer> {
  if (isComputer(record)) {
    return probeBy(() => reach(record, probe, signal), probe, signal);
  }
  if (isMachine(record)) {
    return probeBy(
      () => controlOf(context, record).connect(probe.port, probe.addresses, signal),
      probe,
      signal,
    );
  }
  return probeNetwork(`${context.parts.settings.nativeDirectory}/berth-connect`, pid, probe, signal);
}

/** Nothing of berth's is inside a machine: its loopback is meant as its address. */
async function reach({ state }: ContainerRecord, probe: NetworkProbe, signal: AbortSignal): Promise<Socket> {
  const endpoints = isActive(state) ? state.endpoints.filter(({ isApart = false }) => !isApart) : [];
  const own = endpoints.flatMap(addressesOf);
  const addresses = probe.addresses.some((address) => !isLoopback(address)) ? probe.addresses : own;
  if (addresses.length === 0) throw unavailable('the machine is on no network that the host is on');
  const failures: string[] = [];
  for (const host of addresses) {
    const socket = connectTo({ host, port: probe.port });
    socket.on('error', () => {}); // told by what is awaited
    try {
      await once(socket, 'connect', { signal });
      return socket;
    } catch (error) {
      socket.destroy();
      signal.throwIfAborted();
      failures.push(errorMessage(error));
    }
  }
  throw unavailable(failures.join('; '));
}

const isLoopback = (address: string) => address === '::1' || address.startsWith('127.');

function timeoutMessage({ timeout }: Pick<ProbePlan, 'timeout'>): string {
  return `Health check exceeded timeout (${formatDuration(timeout * 1e6)})`;
}

/**
 * Runs the health check's command in the container once. Always tells a result; one that comes after `signal` was aborted
 * means nothing. Its exec session is forgotten, so that probes do not pile up.
 */
async function runCommand(
  context: ContainerContext,
  execs: Execs,
  container: ContainerId,
  plan: { readonly args: readonly string[]; readonly timeout: number },
  signal: AbortSignal,
): Promise<ProbeResult> {
  const start = new Date();
  const finished = (exitCode: number, output: string) => ({ start, end: new Date(), exitCode, output });
  try {
    const id = await execs.create(container, { ...PROBE, args: plan.args });
    using _forgotten = { [Symbol.dispose]: () => execs.forget(id) };
    await using session = await context.probes.start(container, () => execs.start(id));
    const output = firstOutput(session);
    const status = await within(session.exited, plan.timeout, signal);
    if (status === undefined) {
      await session.signal(constants.signals.SIGKILL).catch(() => {}); // it has just ended
      await session.exited;
      const text = await output;
      return finished(-1, `${timeoutMessage(plan)}${text === '' ? '' : `: ${text}`}`);
    }
    return finished(status.kind === 'exited' ? status.code : -1, await output);
  } catch (error) {
    return finished(-1, asBerthError(error).describe());
  }
}

const PROBE = {
  probe: true,
  env: [],
  user: '',
  workingDir: '',
  tty: false,
  attachStdin: false,
  attachStdout: true,
  attachStderr: true,
  privileged: false,
  detachKeys: [],
  hasDetachKeys: false,
};

/** The beginning of the output; the rest is read and dropped, so that the probe is never held up. */
async function firstOutput(session: ExecSession): Promise<string> {
  const kept: Buffer[] = [];
  let size = 0;
  for await (const { data } of session.output()) {
    if (size < OUTPUT_LIMIT) kept.push(data.subarray(0, OUTPUT_LIMIT - size));
    size += data.length;
  }
  return `${Buffer.concat(kept).toString()}${size > OUTPUT_LIMIT ? '...' : ''}`;
}

/** The promise's value, or undefined when the time is over or the signal is aborted first. */
async function within<T>(
  promise: Promise<T>,
  milliseconds: number,
  signal: AbortSignal,
): Promise<T | undefined> {
  const { promise: given, resolve: giveUp } = Promise.withResolvers<undefined>();
  const timer = setTimeout(giveUp, milliseconds, undefined);
  const abort = () => giveUp(undefined);
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await Promise.race([promise, given]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
}
