import { spawn } from 'node:child_process';
import { existsSync, watch } from 'node:fs';
import { mkdir, open, readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { basename, dirname } from 'node:path';
import { errorMessage, unavailable } from '../base/index.ts';
import { projectRoot } from './project-root.ts';

const LOG = '/var/log/berthd.log';
const PATIENCE_MS = 30_000;

/**
 * Starts berthd, detached, and waits until it answers on `socket`; says so in one line on stderr.
 * Throws `unavailable` with berthd's own last words when it ends instead.
 */
export async function startDaemon(socket: string, env: NodeJS.ProcessEnv): Promise<void> {
  const program = `${projectRoot(env)}/bin/berthd`;
  if (!existsSync(program)) throw unavailable(`berthd is not running, and ${program} is missing`);
  process.stderr.write(`berth: starting berthd (its log: ${LOG})\n`);
  await mkdir(dirname(socket), { recursive: true, mode: 0o755 });
  await using log = await open(LOG, 'a', 0o640);
  const logStart = (await log.stat()).size;
  const stopped = new AbortController();
  const answers = firstAnswer(socket, stopped.signal);
  const child = spawn(program, [], {
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
    env: daemonEnvironment(env),
  });
  child.unref();
  const failed = Promise.withResolvers<never>();
  child.once('error', (error) =>
    failed.reject(unavailable(`${program} does not start: ${errorMessage(error)}`)),
  );
  child.once('exit', async () => {
    const words = (await readFile(LOG)).subarray(logStart).toString().trim().split('\n').at(-1) ?? '';
    // Two commands may start it at the same time: the loser's daemon ends, the winner's will answer.
    if (/another (berthd|daemon)/.test(words)) return;
    failed.reject(
      unavailable(words === '' ? `${program} ended at once` : words.replace(/^berthd: /, 'berthd: ')),
    );
  });
  const timer = setTimeout(() => {
    failed.reject(unavailable(`berthd does not answer on ${socket} after 30 s`, { hint: `See ${LOG}` }));
  }, PATIENCE_MS);
  try {
    await Promise.race([answers, failed.promise]);
  } finally {
    clearTimeout(timer);
    stopped.abort();
  }
}

/** The daemon must not take over what was meant for this command. */
function daemonEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { DOCKER_HOST, BERTH_HOST, BERTH_ARGV0, NODE_OPTIONS, ...rest } = env;
  return rest;
}

/** Resolves when something answers on a socket: asked again whenever its folder changes. */
function firstAnswer(socket: string, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const ask = () => {
    const connection = connect(socket);
    connection.once('connect', () => resolve());
    connection.on('error', () => {}).once('connect', () => connection.destroy());
  };
  const folder = watch(dirname(socket), { signal }, (_event, name) => {
    // The daemon's pid file appears once it serves, and the socket's mode changes: each is a reason to ask.
    if (name === basename(socket) || name === 'berthd.pid') ask();
  });
  folder.on('error', () => {});
  return promise;
}
