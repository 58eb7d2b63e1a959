import { conflict } from '../../base/index.ts';
import { type ContainerRecord, isActive, isAlive, standstillReason } from '../containers/container.ts';

type Named = Pick<ContainerRecord, 'name' | 'state'>;

/** Throws `conflict` for a machine that does not run, and so has no console, agent or devices to ask. */
export function requireRunning({ name, state }: Named): void {
  if (isActive(state)) return;
  requireNoRestart({ name, state });
  throw conflict(`the machine ${name} does not run`, { hint: `Start it: berth vm start ${name}` });
}

/** Throws `conflict` for a machine that does not run or is paused: its system answers nobody. */
export function requireGoingOn({ name, state }: Named): void {
  requireRunning({ name, state });
  if (state.status !== 'paused') return;
  const reason = standstillReason(state);
  if (reason !== undefined) {
    throw conflict(`the machine ${name} stands still, as ${reason}`, {
      hint: 'It goes on when space is freed on the file system of the data root',
    });
  }
  throw conflict(`the machine ${name} is paused`, { hint: `Let it go on: berth vm unpause ${name}` });
}

/** Throws `conflict` for a machine that is not paused. */
export function requirePaused({ name, state }: Named): void {
  if (state.status !== 'paused') throw conflict(`the machine ${name} is not paused`);
}

/** Throws `conflict` for a machine that runs, or is about to. `why` is what it must be stopped for: "to be removed". */
export function requireStopped({ name, state }: Named, why: string, otherwise = ''): void {
  if (!isAlive(state)) return;
  throw conflict(`the machine ${name} runs, and has to be stopped ${why}`, {
    hint: `Stop it first: berth vm stop ${name}${otherwise}`,
  });
}

/** Throws `conflict` for a machine that its supervisor is about to start again, at a moment that nobody else knows. */
export function requireNoRestart({ name, state }: Named): void {
  if (state.status !== 'restarting') return;
  throw conflict(`the machine ${name} waits for its restart`, {
    hint: `Wait until it runs, or stop it: berth vm stop ${name}`,
  });
}
