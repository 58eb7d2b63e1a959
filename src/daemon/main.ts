import { unlinkSync, writeFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { CommanderError } from 'commander';
import { pino } from 'pino';
import { asBerthError, invalid } from '../base/index.ts';
import { openEngine } from '../engine/index.ts';
import { serve } from '../server/index.ts';
import { lockDataRoot } from './data-root-lock.ts';
import { openParts } from './open-parts.ts';
import { type DaemonOptions, readOptions } from './options.ts';
import { removeHostState } from './remove-host-state.ts';

/**
 * berthd: opens the engine and serves it until SIGTERM or SIGINT. Containers, their logs and their ports live
 * on when it ends, however it ends.
 */
async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  if (process.getuid?.() !== 0) throw invalid('berthd must run as root', { hint: 'Start it with sudo' });
  // bin/berthd keeps the young objects of this thread small; workers, which compute, have V8's own measure (MB).
  setFlagsFromString('--max-semi-space-size=16');
  const log = pino({ level: options.debug ? 'debug' : 'info' }, logDestination());
  const stop = stopSignal();

  await using _lock = await lockDataRoot(options.dataRoot);
  await using parts = await openParts(options, log, stop);
  if (options.removeHostState) return await removeHostState(parts);
  const engine = await openEngine(parts);
  await using _server = await serve(engine, options.hosts);
  using _pid = writePidFile(options);
  log.info({ hosts: options.hosts, dataRoot: options.dataRoot }, 'berthd is ready');
  await ended(stop);
  log.info({}, 'berthd ends; containers go on');
}

/** Standard error; whoever read it may have gone, which must not end the daemon. */
function logDestination() {
  const destination = pino.destination({ fd: 2, sync: false });
  destination.on('error', () => {});
  return destination;
}

function stopSignal(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort());
  return stop.signal;
}

function ended(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener('abort', () => resolve(), { once: true });
  return promise;
}

function writePidFile({ pidFile, execRoot }: DaemonOptions): Disposable {
  const path = pidFile ?? `${execRoot}/berthd.pid`;
  writeFileSync(path, `${process.pid}\n`);
  return { [Symbol.dispose]: () => unlinkSync(path) };
}

try {
  await main();
  process.exit(0);
} catch (error) {
  if (error instanceof CommanderError) process.exit(error.exitCode);
  process.stderr.write(`berthd: ${asBerthError(error).describe()}\n`);
  process.exit(1);
}
