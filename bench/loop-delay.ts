// Loaded into a berthd that is measured (node --import): answers each SIGUSR2 with a line in the file that
// BERTH_LOOP_DELAY names. It tells, in milliseconds, the longest time since the line before that the event loop did not
// come round, and the longest that it computed meanwhile: on a busy machine the former is mostly waiting for a processor.
import { appendFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

const file = process.env.BERTH_LOOP_DELAY;
if (isMainThread && file !== undefined) watch(file);

function watch(path: string): void {
  let longest = { waited: 0, computed: 0 };
  let before = now();
  setInterval(() => {
    const { wall, cpu } = now();
    longest = {
      waited: Math.max(longest.waited, wall - before.wall - 1),
      computed: Math.max(longest.computed, cpu - before.cpu),
    };
    before = { wall, cpu };
  }, 1).unref();
  process.on('SIGUSR2', () => {
    appendFileSync(path, `${longest.waited.toFixed(1)} ${longest.computed.toFixed(1)}\n`);
    longest = { waited: 0, computed: 0 };
  });
}

function now(): { readonly wall: number; readonly cpu: number } {
  const { user, system } = process.threadCpuUsage();
  return { wall: performance.now(), cpu: (user + system) / 1000 };
}
