// Loaded into a berthd that is measured (node --import): answers each SIGUSR2 with a line in the file that
// BERTH_LOOP_DELAY names. It tells, in milliseconds, the longest time since the line before that the event loop did not
// come round, and the longest that its thread computed meanwhile. On a busy machine the former is mostly waiting for a processor.
import { appendFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

const INTERVAL = 1;
const file = process.env.BERTH_LOOP_DELAY;
if (isMainThread && file !== undefined) watch(file);

function watch(path: string): void {
  let longest = { wall: 0, cpu: 0 };
  let before = now();
  setInterval(() => {
    const { wall, cpu } = now();
    longest = {
      wall: Math.max(longest.wall, wall - before.wall - INTERVAL),
      cpu: Math.max(longest.cpu, cpu - before.cpu),
    };
    before = { wall, cpu };
  }, INTERVAL).unref();
  process.on('SIGUSR2', () => {
    appendFileSync(path, `${longest.wall.toFixed(1)} ${longest.cpu.toFixed(1)}\n`);
    longest = { wall: 0, cpu: 0 };
  });
}

function now(): { readonly wall: number; readonly cpu: number } {
  const { user, system } = process.threadCpuUsage();
  return { wall: performance.now(), cpu: (user + system) / 1000 };
}
