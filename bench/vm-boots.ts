// Starts many virtual machines while both cores are busy, first half of them from the template and then half by a boot, and counts those that do
// not come to their end. Writes its table into bench/README.md. The argument is how many (200); SIGINT or SIGTERM ends it early, with
// what there is until then.

import { docker } from './engines.ts';
import { writeSection } from './readme.ts';
import { currentLoad, machine, verdict } from './report.ts';
import { keepNoTemplates, type MachineBench, startMachineBench, VM, whileBusy } from './vm-bench.ts';

/** The goal is about so many; of fewer it is not known whether it is met. */
const WANTED = 200;

interface Boots {
  readonly failures: string[];
  /** Milliseconds, in order of time. */
  readonly times: number[];
}

async function main(): Promise<void> {
  const boots = Number(process.argv[2] ?? WANTED);
  const load = currentLoad();
  const end = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => end.abort());
  await using bench = await startMachineBench();
  const warm: Boots = { failures: [], times: [] };
  const cold: Boots = { failures: [], times: [] };
  await docker(bench.berth, 'run', '--rm', ...VM, bench.image, 'true'); // makes the template
  await whileBusy(async () => {
    for (let boot = 0; boot < boots && !end.signal.aborted; boot++) {
      if (boot === Math.ceil(boots / 2)) keepNoTemplates(bench.data);
      await start(bench, boot < boots / 2 ? warm : cold);
      if (boot % 20 === 19) console.log(`  ${boot + 1} started`);
    }
  });
  const text = [
    `- ${machine(load)}`,
    `- accelerator: ${bench.accelerator}; two processes compute all the time beside them; load at the end ${currentLoad().toFixed(2)}`,
    '',
    '| starts one after another, both cores busy | from the template | by a boot | goal |',
    '| - | - | - | - |',
    `| so many | ${warm.times.length} | ${cold.times.length} |  |`,
    `| did not come to their end | ${warm.failures.length} | ${cold.failures.length} | ${verdictOf(warm, cold)} |`,
    `| median (ms) | ${quantile(warm, 0.5)} | ${quantile(cold, 0.5)} |  |`,
    `| slowest (ms) | ${quantile(warm, 1)} | ${quantile(cold, 1)} |  |`,
  ].join('\n');
  console.log(`\n${text}`);
  writeSection('vm-boots', text);
}

async function start({ berth, image }: MachineBench, into: Boots): Promise<void> {
  const from = performance.now();
  try {
    await docker(berth, 'run', '--rm', ...VM, image, 'true');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    console.error(`  ${reason}`);
    into.failures.push(reason);
  }
  into.times.push(performance.now() - from);
}

function verdictOf(...seen: readonly Boots[]): string {
  const failures = seen.flatMap((boots) => boots.failures).length;
  const tried = seen.flatMap((boots) => boots.times).length;
  return verdict(`0 of ${WANTED}`, failures === 0 && tried < WANTED ? undefined : failures === 0);
}

function quantile({ times }: Boots, share: number): string {
  const sorted = times.toSorted((a, b) => a - b);
  return (sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN).toFixed(0);
}

await main();
