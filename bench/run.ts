// Measures berth and whatever peers answer, on the same image, and writes the table into bench/README.md.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startRegistry } from '../test/fixtures/registry.ts';
import { docker, type Engine, findEngines, startBerthd } from './engines.ts';
import { time } from './hyperfine.ts';
import { dailyMeasurements, type Measurement, type Subject, transferMeasurements } from './measurements.ts';
import { daemonMemory, supervisorMemory } from './memory.ts';
import { conditions, currentLoad, type EngineResults, type Results, table } from './report.ts';
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
  const byEngine = new Map<string, EngineResults>();
  for (const engine of engines) {
    await removeLeftovers(engine, subject);
    const results: EngineResults = { timings: new Map() };
    byEngine.set(engine.name, results);
    try {
      await measureEngine(engine, subject, results);
    } catch (error) {
      console.error(`  ${engine.name}: given up: ${error instanceof Error ? error.message : error}`);
    } finally {
      await removeLeftovers(engine, subject);
    }
  }
  return {
    engines,
    measurements: [...transferMeasurements(subject), ...dailyMeasurements(subject)],
    byEngine,
  };
}

/** Fills `results` as it goes, so that what was measured before a failure is kept. */
async function measureEngine(engine: Engine, subject: Subject, results: EngineResults): Promise<void> {
  const { reference, sleeper, built, context, archive } = subject;
  const before = await daemonMemory(engine);
  await docker(engine, 'pull', '-q', reference);
  if (!existsSync(archive)) await docker(engine, 'save', '-o', archive, reference);
  await timeAll(engine, transferMeasurements(subject), results);

  await docker(engine, 'pull', '-q', reference);
  const status = await docker(engine, 'run', '--rm', reference, 'grep', 'Seccomp:', '/proc/self/status');
  results.seccomp = status.replace(/\D/g, '');
  await docker(engine, 'run', '-d', '--name', sleeper, reference, 'sleep', 'infinity');
  await docker(engine, 'build', '-q', '-t', built, context);
  const supervisor = await supervisorMemory(engine, sleeper);
  await timeAll(engine, dailyMeasurements(subject), results);
  results.memory = { before, supervisor, after: await daemonMemory(engine) };
}

async function timeAll(
  engine: Engine,
  measurements: readonly Measurement[],
  { timings }: EngineResults,
): Promise<void> {
  for (const measurement of measurements) {
    const timing = await time(engine, measurement);
    timings.set(measurement.title, timing);
    const result =
      timing.state === 'measured' ? `${timing.medianMs.toFixed(1)} ms` : `failed: ${timing.reason}`;
    console.log(`  ${engine.name}: ${measurement.title}: ${result}`);
  }
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
