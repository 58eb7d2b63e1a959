// Measures berth and whatever peers answer, on the same image, and writes the table into bench/README.md.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startRegistry } from '../test/fixtures/registry.ts';
import { docker, type Engine, findEngines, startBerthd } from './engines.ts';
import { type Timing, time } from './hyperfine.ts';
import { dailyMeasurements, type Measurement, type Subject, transferMeasurements } from './measurements.ts';
import { daemonMemory, supervisorMemory } from './memory.ts';
import { conditions, currentLoad, type MemoryUse, type Results, table } from './report.ts';
import { prepareSubject } from './subject.ts';

const root = join(import.meta.dirname, '..');

async function main(): Promise<void> {
  const load = currentLoad();
  await using berthd = await startBerthd().catch((error: Error) => {
    console.error(`berth is left out: ${error.message}`);
    return undefined;
  });
  const engines = await findEngines(berthd?.host);
  if (engines.length === 0) throw new Error('no engine answers: start berthd or a dockerd');
  console.log(`measuring ${engines.map(({ name, version }) => `${name} ${version}`).join(', ')}`);
  await using standIns = await startRegistry();
  await using registry = await startRegistry('empty');
  using subject = await prepareSubject(standIns.url, registry.url);
  const results = await measure(engines, subject);
  const text = `${conditions(results, load)}\n\n${table(results)}`;
  console.log(`\n${text}`);
  writeReadme(text);
}

async function measure(engines: readonly Engine[], subject: Subject): Promise<Results> {
  const memory = new Map<string, MemoryUse>();
  const seccomp = new Map<string, string>();
  const transfers = transferMeasurements(subject);
  const daily = dailyMeasurements(subject);
  const timings = [...transfers, ...daily].map((measurement) => ({
    measurement,
    byEngine: new Map<string, Timing>(),
  }));
  const timeAll = async (engine: Engine, measurements: readonly Measurement[]) => {
    for (const { measurement, byEngine } of timings.filter((one) => measurements.includes(one.measurement))) {
      const timing = await time(engine, measurement);
      byEngine.set(engine.name, timing);
      const result =
        timing.state === 'measured' ? `${timing.medianMs.toFixed(1)} ms` : `failed: ${timing.reason}`;
      console.log(`  ${engine.name}: ${measurement.title}: ${result}`);
    }
  };
  for (const engine of engines) {
    await removeLeftovers(engine, subject);
    try {
      const before = await daemonMemory(engine);
      await docker(engine, 'pull', '-q', subject.reference);
      await timeAll(engine, transfers);
      await docker(engine, 'pull', '-q', subject.reference);
      const status = await docker(
        engine,
        'run',
        '--rm',
        subject.reference,
        'grep',
        'Seccomp:',
        '/proc/self/status',
      );
      seccomp.set(engine.name, status.replace(/\D/g, ''));
      await docker(engine, 'run', '-d', '--name', subject.sleeper, subject.reference, 'sleep', 'infinity');
      await docker(engine, 'build', '-q', '-t', subject.built, subject.context);
      const supervisor = await supervisorMemory(engine, subject.sleeper);
      await timeAll(engine, daily);
      memory.set(engine.name, { before, supervisor, after: await daemonMemory(engine) });
    } catch (error) {
      console.error(`  ${engine.name}: given up: ${error instanceof Error ? error.message : error}`);
    } finally {
      await removeLeftovers(engine, subject);
    }
  }
  return { engines, timings, memory, seccomp };
}

/** Of this run or of one that was cut short. What is not there is no failure. */
async function removeLeftovers(engine: Engine, subject: Subject): Promise<void> {
  await docker(engine, 'rm', '-f', subject.sleeper).catch(() => {});
  await docker(engine, 'rmi', subject.built).catch(() => {});
  await docker(engine, 'rmi', subject.reference).catch(() => {});
}

function writeReadme(results: string): void {
  const file = join(root, 'bench/README.md');
  const [head = ''] = readFileSync(file, 'utf8').split('<!-- results -->');
  writeFileSync(file, `${head}<!-- results -->\n\n${results}\n`);
}

await main();
