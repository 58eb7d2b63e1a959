import type { ComputerMonitor } from './computer/monitor.ts';
import { isObject } from './computer/qmp-answer.ts';

/**
 * Has a guest give memory back to the host, or take it again, until it has `bytes` (at most those that it was started with). Its
 * kernel gives what its programs leave it. Resolves with what it has then; with something else than `bytes` when `signal` is
 * aborted before. Throws `unavailable` when the machine has ended.
 */
export async function changeMemory(
  monitor: ComputerMonitor,
  bytes: number,
  signal: AbortSignal,
): Promise<number> {
  const heard = new AbortController(); // the events end with the waiting, the questions after it do not
  const stop = () => heard.abort();
  signal.addEventListener('abort', stop, { once: true });
  try {
    await using events = await monitor.events(heard.signal);
    await monitor.execute('balloon', { value: bytes });
    const present = await memoryNow(monitor);
    if (present === bytes || signal.aborted) return present;
    await events.find(({ name, data }) => name === 'BALLOON_CHANGE' && data.actual === bytes);
    return bytes;
  } catch (error) {
    if (!signal.aborted) throw error;
    return await memoryNow(monitor);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** Bytes that a guest has at present. */
export async function memoryNow(monitor: ComputerMonitor): Promise<number> {
  const balloon = await monitor.execute('query-balloon');
  return isObject(balloon) && typeof balloon.actual === 'number' ? balloon.actual : Number.NaN;
}
