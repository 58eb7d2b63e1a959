import { setTimeout as delay } from 'node:timers/promises';
import { type ContainerId, errorMessage } from '../../base/index.ts';
import { type ContainerRecord, isActive } from './container.ts';
import { type ContainerContext, emit } from './context.ts';
import type { Execs } from './exec.ts';
import { type ProbeResult, runProbe } from './health-probe.ts';
import { type HealthStatus, type ProbePlan, probePlan } from './healthcheck.ts';
import { restartUnhealthy } from './restart.ts';

/** What is known of a container's health (Engine API, Health). */
export interface Health {
  readonly status: HealthStatus;
  /** Failures in a row. */
  readonly failingStreak: number;
  /** The newest results, the oldest first. */
  readonly log: readonly ProbeResult[];
}

/** So many results are kept, as in Docker. */
const KEPT_RESULTS = 5;

/**
 * The health checks of the instance's containers. They follow the containers' events: probes run, one at a time, from
 * the start to the end and not in a pause. Results live in memory; the record keeps the last change of the status, so
 * that a container that was healthy still is when berthd starts again.
 */
export class HealthChecks {
  readonly #context: ContainerContext;
  readonly #execs: Execs;
  readonly #checks = new Map<ContainerId, Check>();

  constructor(context: ContainerContext, execs: Execs) {
    this.#context = context;
    this.#execs = execs;
    context.events.listen(({ type, action, actor }) => {
      if (type === 'container' || type === 'machine') this.#follow(actor as ContainerId, action);
    });
  }

  /** Undefined when the container has no health check, or was never started. */
  of(record: ContainerRecord): Health | undefined {
    if (probePlan(record.config) === undefined) return undefined;
    const known = this.#checks.get(record.id)?.health;
    if (known !== undefined || record.state.status === 'created') return known;
    return { status: 'unhealthy', failingStreak: 0, log: [] };
  }

  /** Goes on with a container that was found alive when berthd started. */
  resume(record: ContainerRecord): void {
    if (probePlan(record.config) === undefined) return;
    const status = record.state.status === 'paused' ? 'unhealthy' : (record.health ?? 'starting');
    this.#checks.set(record.id, { health: { status, failingStreak: 0, log: [] }, stop: undefined });
    if (record.state.status === 'running') this.#watch(record.id);
  }

  #follow(id: ContainerId, action: string): void {
    switch (action) {
      case 'start':
        this.#begin(id);
        break;
      case 'unpause':
        this.#watch(id);
        break;
      case 'die':
      case 'pause':
        this.#stop(id);
        break;
      case 'destroy':
        this.#stop(id);
        this.#checks.delete(id);
    }
  }

  #begin(id: ContainerId): void {
    const record = this.#context.collection.get(id);
    if (record === undefined || probePlan(record.config) === undefined) return;
    if (record.health !== undefined) this.#context.collection.update(id, { health: undefined });
    this.#stop(id);
    const log = this.#checks.get(id)?.health.log ?? [];
    this.#checks.set(id, { health: { status: 'starting', failingStreak: 0, log }, stop: undefined });
    this.#watch(id);
  }

  /** What nobody checks any more counts as unhealthy, as in Docker. */
  #stop(id: ContainerId): void {
    const check = this.#checks.get(id);
    if (check === undefined) return;
    check.stop?.abort();
    this.#checks.set(id, { health: { ...check.health, status: 'unhealthy' }, stop: undefined });
  }

  #watch(id: ContainerId): void {
    const record = this.#context.collection.get(id);
    const check = this.#checks.get(id);
    const plan = record === undefined ? undefined : probePlan(record.config);
    if (check === undefined || plan === undefined || record === undefined || !isActive(record.state)) return;
    const startedAt = Date.parse(record.state.startedAt);
    const stop = new AbortController();
    this.#checks.set(id, { ...check, stop });
    this.#probeRepeatedly(id, plan, startedAt, stop.signal).catch((error: unknown) => {
      if (stop.signal.aborted) return;
      this.#context.parts.log.error({ id, error: errorMessage(error) }, 'a health check broke off');
    });
  }

  async #probeRepeatedly(
    id: ContainerId,
    plan: ProbePlan,
    startedAt: number,
    signal: AbortSignal,
  ): Promise<void> {
    for (;;) {
      const check = this.#checks.get(id);
      if (check === undefined) return;
      const isInStartPeriod = Date.now() - startedAt < plan.startPeriod;
      const isStarting = isInStartPeriod && check.health.status === 'starting';
      await delay(isStarting ? plan.startInterval : plan.interval, undefined, { signal });
      const result = await runProbe(this.#context, this.#execs, id, plan, signal);
      signal.throwIfAborted();
      this.#record(id, result, plan, startedAt);
    }
  }

  #record(id: ContainerId, result: ProbeResult, plan: ProbePlan, startedAt: number): void {
    const check = this.#checks.get(id);
    if (check === undefined) return;
    const health = healthAfter(check.health, result, plan, startedAt);
    this.#checks.set(id, { ...check, health });
    if (health.status === check.health.status) return;
    const record = this.#context.collection.update(id, { health: health.status });
    emit(this.#context, record, `health_status: ${health.status}`);
    if (health.status === 'unhealthy') this.#restart(id, `unhealthy: ${firstLine(result.output)}`);
  }

  /** Not awaited: the stop of the container ends the probes that this is called from. */
  #restart(id: ContainerId, reason: string): void {
    restartUnhealthy(this.#context, id, reason).catch((error: unknown) => {
      this.#context.parts.log.warn(
        { id, error: errorMessage(error) },
        'an unhealthy container could not be restarted',
      );
    });
  }
}

function firstLine(text: string): string {
  return text.trim().split('\n', 1)[0]?.slice(0, 200) ?? '';
}

interface Check {
  readonly health: Health;
  /** Ends the probes; undefined while there are none. */
  readonly stop: AbortController | undefined;
}

/**
 * Docker's rule (moby, daemon/health.go): one success makes healthy, `retries` failures in a row make unhealthy; a failure
 * in the start period does not count until there was a success. `startedAt` is in milliseconds since the epoch.
 */
export function healthAfter(
  before: Health,
  result: ProbeResult,
  plan: Pick<ProbePlan, 'retries' | 'startPeriod'>,
  startedAt: number,
): Health {
  const log = [...before.log, result].slice(-KEPT_RESULTS);
  if (result.exitCode === 0) return { status: 'healthy', failingStreak: 0, log };
  const isInStartPeriod = result.start.getTime() - startedAt < plan.startPeriod;
  if (before.status === 'starting' && isInStartPeriod) return { ...before, log };
  const failingStreak = before.failingStreak + 1;
  return { status: failingStreak >= plan.retries ? 'unhealthy' : before.status, failingStreak, log };
}
