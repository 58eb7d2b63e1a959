import type { AttachOptions, PendingExit, WaitCondition } from './containers.ts';
import type { HijackedStream, Transport } from './transport.ts';
import type { WaitResult } from './types/index.ts';

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
