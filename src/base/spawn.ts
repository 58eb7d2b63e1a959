import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { type BerthError, systemErrorCode, unavailable } from './errors.ts';

export interface RunOptions {
  /** Written to standard input, which is then closed. */
  input?: string | Uint8Array;
  signal?: AbortSignal;
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  /** Open files that the program gets as 3, 4 and so on. */
  descriptors?: readonly number[];
  /** Bytes of each of its streams that are kept, from the beginning; the rest is read and dropped. All by default. */
  keep?: number;
}

export interface RunResult {
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Runs a program with an argument array (never a shell) and collects what it prints. Throws `unavailable` when it cannot be started. */
export async function run(
  file: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const child = spawn(file, args, {
    stdio: ['pipe', 'pipe', 'pipe', ...(options.descriptors ?? [])],
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    ...(options.env === undefined ? {} : { env: options.env }),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  const stdout = collect(child.stdout, options.keep);
  const stderr = collect(child.stderr, options.keep);
  child.stdin?.on('error', () => {}); // a program may end before it has read everything
  child.stdin?.end(options.input);
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  child.once('error', (error) => reject(startFailure(file, error)));
  child.once('close', (code, signal) => resolve(code ?? (signal === null ? 1 : 128)));
  const code = await promise;
  return { code, stdout: stdout(), stderr: stderr().toString() };
}

/** What has come from a stream so far, at most `limit` bytes. */
function collect(stream: Readable | null, limit = Number.POSITIVE_INFINITY): () => Buffer {
  const chunks: Buffer[] = [];
  let size = 0;
  stream?.on('data', (chunk: Buffer) => {
    if (size < limit) chunks.push(chunk.subarray(0, limit - size));
    size += chunk.length;
  });
  return () => Buffer.concat(chunks);
}

/** As {@link run}, but a non-zero exit code throws `unavailable` with the program's own words. */
export async function runChecked(
  file: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const result = await run(file, args, options);
  if (result.code !== 0) {
    throw unavailable(`${file} failed with exit code ${result.code}: ${result.stderr.trim()}`);
  }
  return result;
}

function startFailure(file: string, error: Error): BerthError | Error {
  if (error.name === 'AbortError') return error;
  if (systemErrorCode(error) === 'ENOENT') {
    return unavailable(`the program ${file} is not installed`, { cause: error });
  }
  return unavailable(`${file} could not be started: ${error.message}`, { cause: error });
}
