// Measures virtual machines with another processor than the host beside those with the host's; writes its table into bench/README.md.

import { serveImages } from '../test/fixtures/served-images.ts';
import { busyboxFor, FOREIGN } from '../test/fixtures/two-architectures.ts';
import { docker, type Engine } from './engines.ts';
import { writeSection } from './readme.ts';
import { currentLoad, machine } from './report.ts';
import { keepNoTemplates, median, settledMemory, startMachineBench, VM, withMachine } from './vm-bench.ts';

/** Nothing but computing: what is digested is in the guest's memory. */
const FILL = ['dd', 'if=/dev/zero', 'of=/dev/shm/zeros', 'bs=1M', 'count=16'];
const DIGEST = ['sha256sum', '/dev/shm/zeros'];

/** Milliseconds, and MB that its QEMU has in memory. */
interface Figures {
  readonly warm: number;
  readonly exec: number;
  readonly compute: number;
  readonly resident: number;
}

async function main(): Promise<void> {
  const load = currentLoad();
  await using bench = await startMachineBench();
  await using registry = await serveImages();
  registry.add('busybox:latest', await busyboxFor('foreign'));
  const { berth, data, image: own } = bench;
  const foreign = `${registry.host}/busybox:latest`;
  await docker(berth, 'pull', '-q', '--platform', `linux/${FOREIGN.name}`, foreign);
  const warm = [await measure(berth, own), await measure(berth, foreign)];
  keepNoTemplates(data);
  const cold: number[] = [];
  for (const image of [own, foreign]) cold.push(await median(berth, [...RUN, image, 'true'], 3));
  const row = (title: string, figures: readonly number[]) =>
    `| ${[title, ...figures.map((figure) => figure.toFixed(0))].join(' | ')} |`;
  const text = [
    `- ${machine(load)}`,
    `- accelerator: ${bench.accelerator}; busybox, through the docker CLI; 256 MiB; medians in milliseconds`,
    '',
    `| virtual machines | the host's processor | ${FOREIGN.name} |`,
    '| - | - | - |',
    row(
      '`run --rm --runtime vm`, from the template',
      warm.map((figures) => figures.warm),
    ),
    row('the same, the kernel boots', cold),
    row(
      '`exec true` in one that runs',
      warm.map((figures) => figures.exec),
    ),
    row(
      '`sha256sum` of 16 MiB in it',
      warm.map((figures) => figures.compute),
    ),
    row(
      'idle with 256 MiB: resident (MB)',
      warm.map((figures) => figures.resident),
    ),
  ].join('\n');
  console.log(`\n${text}`);
  writeSection('vm-foreign', text);
}

const RUNS = 9;
const RUN = ['run', '--rm', ...VM, '-m', '256m'];

async function measure(berth: Engine, image: string): Promise<Figures> {
  await docker(berth, ...RUN, image, 'true'); // makes the template
  const warm = await median(berth, [...RUN, image, 'true'], RUNS);
  return withMachine({ berth, image }, [], async (name) => {
    const { resident } = await settledMemory(berth, name);
    const exec = await median(berth, ['exec', name, 'true'], RUNS);
    await docker(berth, 'exec', name, ...FILL);
    const compute = await median(berth, ['exec', name, ...DIGEST], 3);
    return { warm, exec, compute, resident: (resident * 1024) / 1e6 };
  });
}

await main();
