import type { AttachOptions, LogOptions, PendingExit, WaitCondition } from './containers.ts';
import { jsonLines, type OutputStream } from './streams.ts';
import { type HijackedStream, isMultiplexed, type Transport } from './transport.ts';
import type { ContainerStats, WaitResult } from './types/index.ts';

/** What containers and machines are asked in the same way. `path` is that of the request. */

/** Registers a wait; resolves as soon as the engine has it, long before the end. */
export async function waitAt(
  transport: Transport,
  path: string,
  { condition, signal }: { condition?: WaitCondition; signal?: AbortSignal },
): Promise<PendingExit> {
  const answer = await transport.openJson<WaitResult>({ method: 'POST', path, query: { condition }, signal });
  return { exit: answer.read };
}

/** Takes over a connection to a terminal or pipes. */
export function attachAt(
  transport: Transport,
  path: string,
  { signal, stream = true, ...query }: AttachOptions,
): Promise<HijackedStream> {
  return transport.hijack({ method: 'POST', path, query: { stream, ...query }, signal });
}

/** What was written to a terminal or pipes; with `follow`, until the end. */
export async function logsAt(
  transport: Transport,
  path: string,
  { signal, ...query }: LogOptions,
): Promise<OutputStream> {
  const body = await transport.stream({ method: 'GET', path, query, signal });
  return { body, multiplexed: isMultiplexed(body) };
}

/** Tells a terminal's size in characters. */
export async function resizeAt(
  transport: Transport,
  path: string,
  { rows, columns }: { readonly rows: number; readonly columns: number },
  options: { signal?: AbortSignal },
): Promise<void> {
  await transport.run({ method: 'POST', path, query: { h: rows, w: columns }, ...options });
}

/** One reading that has the one of a second before to be compared with. */
export function statsAt(
  transport: Transport,
  path: string,
  options: { signal?: AbortSignal },
): Promise<ContainerStats> {
  return transport.json({ method: 'GET', path, query: { stream: false }, ...options });
}

/** A reading now and each second, until the signal aborts or what is read is removed. */
export async function watchStatsAt(
  transport: Transport,
  path: string,
  options: { signal?: AbortSignal },
): Promise<AsyncGenerator<ContainerStats>> {
  const body = await transport.stream({ method: 'GET', path, query: { stream: true }, ...options });
  return jsonLines<ContainerStats>(body);
}
