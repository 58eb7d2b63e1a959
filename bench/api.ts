import { request } from 'node:http';
import type { Engine } from './engines.ts';

/** Sends one request of the Engine API on a connection of its own; throws with the answer's words when it is refused. */
export async function ask(
  { host }: Pick<Engine, 'host'>,
  method: string,
  path: string,
  body?: object,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const payload = body === undefined ? '' : JSON.stringify(body);
  const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(payload) };
  const options = { socketPath: host.slice('unix://'.length), method, path, headers, agent: false };
  const sent = request(options, async (answer) => {
    const status = answer.statusCode ?? 0;
    let text = '';
    for await (const chunk of answer) text += status < 400 ? '' : String(chunk);
    if (status < 400) resolve();
    else reject(new Error(`${method} ${path}: ${status} ${text}`));
  });
  sent.once('error', reject);
  sent.end(payload);
  await promise;
}

/** In milliseconds. */
export async function timed(work: () => Promise<void>): Promise<number> {
  const before = performance.now();
  await work();
  return performance.now() - before;
}

export async function median(times: number, measure: () => Promise<number>): Promise<number> {
  const all: number[] = [];
  for (let index = 0; index < times; index += 1) all.push(await measure());
  return medianOf(all);
}

export function medianOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
