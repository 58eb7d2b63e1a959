import { writeFile } from 'node:fs/promises';
import { startRegistry } from '../fixtures/registry.ts';
import { record } from './record.ts';
import { scripts } from './scripts/index.ts';

/**
 * Records dockerd's answers anew: `record-golden.ts unix:///path/to/docker.sock [SCRIPT...]`, all scripts unless some are
 * named. The daemon must have an image busybox:latest. Its answers are committed, so that tests need no dockerd.
 */
const [address = '', ...names] = process.argv.slice(2);
const socketPath = address.replace(/^unix:\/\//, '');
if (socketPath === '') throw new Error('usage: record-golden.ts unix:///path/to/docker.sock [SCRIPT...]');
await using registry = await startRegistry();
for (const script of scripts.filter(({ name }) => names.length === 0 || names.includes(name))) {
  const recorded = await record(socketPath, script, new URL(registry.url).host);
  const path = `${import.meta.dirname}/golden/${script.name}.json`;
  await writeFile(path, `${JSON.stringify(recorded, null, 2)}\n`);
  process.stdout.write(`${script.name}: ${recorded.length} answers\n`);
}
