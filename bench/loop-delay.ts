// Loaded into a berthd that is measured (node --import): answers each SIGUSR2 with a line in the file that
// BERTH_LOOP_DELAY names, the longest time in milliseconds that the event loop was blocked since the line before.
import { appendFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';

const RESOLUTION = 1;
const file = process.env.BERTH_LOOP_DELAY;
if (isMainThread && file !== undefined) {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION });
  delay.enable();
  process.on('SIGUSR2', () => {
    // A sample is the time between two ticks of a timer.
    appendFileSync(file, `${Math.max(0, delay.max / 1e6 - RESOLUTION).toFixed(1)}\n`);
    delay.reset();
  });
}
