// Loaded into a berthd that is measured (node --import): answers each SIGUSR2 with a line in the file that
// BERTH_LOOP_DELAY names. It tells, in milliseconds, the longest time since the line before that the event loop was blocked:
// that it did not come round, without what its thread then waited for a processor, which is other work's doing.
import { appendFileSync, readFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

const INTERVAL = 1;
const file = process.env.BERTH_LOOP_DELAY;
if (isMainThread && file !== undefined) watch(file);

function watch(path: string): void {
  let longest = 0;
  let before = now();
  setInterval(() => {
    const { wall, waiting } = now();
    longest = Math.max(longest, wall - before.wall - (waiting - before.waiting) - INTERVAL);
    before = { wall, waiting };
  }, INTERVAL).unref();
  process.on('SIGUSR2', () => {
    appendFileSync(path, `${longest.toFixed(1)}\n`);
    longest = 0;
  });
}

/** The second number is what the main thread has waited for a processor, in nanoseconds (kernel, scheduler/sched-stats). */
function now(): { readonly wall: number; readonly waiting: number } {
  const [, waiting = 0] = readFileSync(`/proc/${process.pid}/schedstat`, 'utf8').split(' ').map(Number);
  return { wall: performance.now(), waiting: waiting / 1e6 };
}
