import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, open } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { systemErrorCode, unavailable } from '../base/index.ts';
import { connectIfAlive } from './channel.ts';

/** Where an instance's launcher and its helpers have their sockets, and where their programs are. */
export interface LauncherPlaces {
  readonly execRoot: string;
  readonly nativeDirectory: string;
}

/** Connects to the instance's launcher; starts one when none answers. Throws `unavailable` when that fails. */
export async function connectLauncher(places: LauncherPlaces, signal?: AbortSignal): Promise<Socket> {
  const path = join(places.execRoot, 'l.sock');
  return (await connectIfAlive(path, signal)) ?? (await startAndConnect(places, path, signal));
}

async function startAndConnect(places: LauncherPlaces, path: string, signal?: AbortSignal): Promise<Socket> {
  for (const folder of ['', 's', 'f']) {
    await mkdir(join(places.execRoot, folder), { recursive: true, mode: 0o700 });
  }
  await startLauncher(places, path);
  const socket = await connectIfAlive(path, signal);
  if (socket === undefined) throw unavailable(`the launcher at ${path} ended as soon as it was started`);
  return socket;
}

/** In a session of its own, with its output in a file: it outlives berthd. Resolves when its socket answers. */
async function startLauncher(places: LauncherPlaces, path: string): Promise<void> {
  const program = join(places.nativeDirectory, 'berth-launcher');
  const logPath = join(places.execRoot, 'launcher.log');
  await using log = await open(logPath, 'a', 0o600);
  const child = spawn(program, [path, places.execRoot], {
    detached: true,
    cwd: '/',
    env: { ...forTests(), PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
    stdio: ['ignore', log.fd, log.fd, 'pipe'],
  });
  const ready = child.stdio[3];
  try {
    if (child.pid === undefined) await once(child, 'spawn'); // rejects with the reason
    if (!(ready instanceof Readable) || !(await saysReady(ready))) {
      throw unavailable(`the launcher could not start; ${logPath} says why`);
    }
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT') throw error;
    throw unavailable(`${program} does not exist`, { hint: 'Build it with: make -C native', cause: error });
  } finally {
    ready?.destroy();
    child.unref();
  }
}

/** The launcher writes one byte when it listens; a pipe that ends without one means that it failed. */
async function saysReady(pipe: Readable): Promise<boolean> {
  const { done } = await pipe[Symbol.asyncIterator]().next();
  return done !== true;
}

/**
 * Variables that force the ways of older kernels (`native/common/root.h`, `native/launcher/layers.c`), and the one that the
 * launcher with crash points reads (`native/launcher/crash-point.h`).
 */
function forTests(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    ['BERTH_ROOT_JOIN', 'BERTH_LAYER_MOUNT', 'BERTH_LAUNCHER_CRASH'].flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}
