import { spawn } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { asBerthError, type BerthError, unavailable } from '../base/index.ts';
import type { FileWorker } from './contract.ts';
import { workerFailure } from './file-protocol.ts';
import { FileWorkerConnection } from './file-worker.ts';

/** Connects to a file worker (`berth-fs serve`) that listens at a unix socket. Throws `unavailable`. */
export async function connectFileWorker(socketPath: string, signal?: AbortSignal): Promise<FileWorker> {
  signal?.throwIfAborted();
  const socket = connect(socketPath);
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const onAbort = () => socket.destroy(asError(signal?.reason));
  signal?.addEventListener('abort', onAbort, { once: true });
  socket.once('connect', () => resolve(socket));
  socket.once('error', reject);
  try {
    return new FileWorkerConnection(await promise);
  } catch (error) {
    if (signal?.aborted) throw asBerthError(signal.reason);
    throw unavailable(`the file worker at ${socketPath} does not answer`, { cause: error });
  } finally {
    signal?.removeEventListener('abort', onAbort);
    socket.removeListener('error', reject);
  }
}

/**
 * A file worker that runs elsewhere, behind a socket that carries its protocol; it ends with the socket. `release` is called once
 * when it is disposed of: for what was there for it alone.
 */
export function fileWorkerBehind(socket: Socket, release?: () => Promise<void>): FileWorker {
  return new FileWorkerConnection(socket, release);
}

/**
 * The changes in an overlayfs upper folder as a layer tar (see `Launcher.packChanges`). The stream fails when the
 * folder cannot be packed whole. `nativeDirectory` holds berth-fs.
 */
export async function packChanges(
  nativeDirectory: string,
  upper: string,
  signal?: AbortSignal,
): Promise<Readable> {
  signal?.throwIfAborted();
  const child = spawn(join(nativeDirectory, 'berth-fs'), ['pack-changes', upper], {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(signal === undefined ? {} : { signal }),
  });
  const ended = exitOf(child);
  await Promise.race([new Promise((resolve) => child.once('spawn', resolve)), ended]);
  return Readable.from(
    (async function* () {
      try {
        yield* child.stdout;
        await ended;
      } finally {
        child.kill();
      }
    })(),
    { objectMode: false },
  );
}

/** Unpacks a tar below a host folder; its entries cannot leave the folder. */
export function unpackInto(
  nativeDirectory: string,
  directory: string,
  tar: NodeJS.ReadableStream,
  signal?: AbortSignal,
): Promise<void> {
  return feed(nativeDirectory, ['unpack', directory], tar, signal);
}

/** Makes a layer's tree, durably, in an empty folder: the tar's whiteouts take overlayfs's form, contents come from a file. */
export function placeLayerTree(
  nativeDirectory: string,
  layer: { readonly directory: string; readonly contentsPath: string; readonly entriesPath: string },
  signal: AbortSignal,
): Promise<void> {
  const entries = createReadStream(layer.entriesPath);
  return feed(nativeDirectory, ['unpack-layer', layer.directory, layer.contentsPath], entries, signal);
}

async function feed(
  nativeDirectory: string,
  args: readonly string[],
  tar: NodeJS.ReadableStream,
  signal?: AbortSignal,
): Promise<void> {
  signal?.throwIfAborted();
  const child = spawn(join(nativeDirectory, 'berth-fs'), args, {
    stdio: ['pipe', 'ignore', 'pipe'],
    ...(signal === undefined ? {} : { signal }),
  });
  // A worker that refused the archive no longer reads: a write under way may fail after the pipeline has let go.
  child.stdin.on('error', () => {});
  const [ended, fed] = await Promise.allSettled([exitOf(child), pipeline(tar, child.stdin)]);
  if (ended.status === 'rejected') throw ended.reason; // the reason why feeding stopped, too
  if (fed.status === 'rejected') throw asBerthError(fed.reason);
}

/** Resolves when a berth-fs process has ended well; rejects with what it reported. */
function exitOf(child: ReturnType<typeof spawn>): Promise<void> {
  let report = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    report += chunk.toString();
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  child.once('error', (error) => {
    reject(
      error.name === 'AbortError'
        ? asBerthError(error)
        : unavailable(`berth-fs could not be started: ${error.message}`, { cause: error }),
    );
  });
  child.once('close', (code) => (code === 0 ? resolve() : reject(reportedFailure(report))));
  promise.catch(() => {}); // whoever needs the end awaits it
  return promise;
}

/** berth-fs reports "kind: message" in one line. */
export function reportedFailure(report: string): BerthError {
  const [, kind = '', message = ''] = /^([a-z-]+): (.*)$/m.exec(report) ?? [];
  return workerFailure(kind, message || `berth-fs failed: ${report.trim() || 'it was killed'}`);
}

function asError(value: unknown): Error {
  return value instanceof Error ? value : new Error(String(value));
}
