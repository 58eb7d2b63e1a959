import { conflict, notFound } from '../base/index.ts';
import type { EngineClient } from '../client/index.ts';
import { type MemberState, ofEither } from './members.ts';

/** What a container may have to be before something else goes on. */
export type WaitCondition =
  | 'service_started'
  | 'service_healthy'
  | 'service_completed_successfully'
  | 'running_or_healthy';

/** A container that something waits for. */
export interface Awaited {
  readonly id: string;
  readonly name: string;
  readonly service: string;
  readonly condition: WaitCondition;
}

/**
 * Resolves when a container is what others wait for: healthy, done without failure, or running. Throws `conflict` when it
 * can no longer become so. Listens to the engine's events; nothing is polled.
 */
export async function waitFor(client: EngineClient, awaited: Awaited, signal: AbortSignal): Promise<void> {
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  try {
    // Subscribed before the first look: what changes in between is not missed.
    const filters = { type: ['container', 'machine'] };
    const events = await client.system.events({ filters, signal: either });
    if (isMet(awaited, await stateOf(client, awaited, either))) return;
    for await (const { Action: action, Actor: actor } of events) {
      if (actor.ID !== awaited.id) continue;
      if (!/^(?:start|die|stop|destroy|health_status)/.test(action)) continue;
      if (isMet(awaited, await stateOf(client, awaited, either))) return;
    }
  } finally {
    stop.abort();
  }
  signal.throwIfAborted();
  throw conflict(`the engine ended its events while service "${awaited.service}" was waited for`);
}

async function stateOf(
  client: EngineClient,
  { id, name }: Awaited,
  signal: AbortSignal,
): Promise<MemberState> {
  const { State: state } = await ofEither(client, (members) => members.inspect(id, { signal }));
  if (state.Status === 'removing' || state.Dead) throw notFound(`container ${name} was removed`);
  return state;
}

/** Throws when it never will be. */
function isMet({ name, service, condition }: Awaited, state: MemberState): boolean {
  const exited = state.Status === 'exited';
  switch (condition) {
    case 'service_started':
      return state.Running;
    case 'service_completed_successfully':
      if (exited && state.ExitCode !== 0) {
        throw conflict(`service "${service}" didn't complete successfully: exit ${state.ExitCode}`);
      }
      return exited;
    case 'service_healthy':
      if (exited) throw conflict(`dependency failed to start: container ${name} exited (${state.ExitCode})`);
      if (state.Running && healthOf(state) === undefined) {
        throw conflict(`dependency failed to start: container ${name} has no healthcheck configured`);
      }
      return isHealthy(name, state);
    case 'running_or_healthy':
      if (exited) throw conflict(`container ${name} exited (${state.ExitCode})`);
      return healthOf(state) === undefined ? state.Running : isHealthy(name, state);
  }
}

function isHealthy(name: string, state: MemberState): boolean {
  if (healthOf(state) === 'unhealthy') {
    throw conflict(`dependency failed to start: container ${name} is unhealthy`);
  }
  return healthOf(state) === 'healthy';
}

/** undefined: nothing checks its health. */
function healthOf({ Health: health }: MemberState): string | undefined {
  return health === undefined || health.Status === 'none' ? undefined : health.Status;
}
