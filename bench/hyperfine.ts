import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run, runChecked } from '../src/base/index.ts';
import type { Engine } from './engines.ts';
import type { Measurement } from './measurements.ts';

/** One engine's time for one measurement. */
export type Timing =
  | { readonly state: 'measured'; readonly medianMs: number; readonly minMs: number; readonly maxMs: number }
  | { readonly state: 'failed'; readonly reason: string };

interface HyperfineReport {
  /** Seconds. */
  readonly results: readonly { readonly median: number; readonly min: number; readonly max: number }[];
}

/** The median of a command that is to succeed, in milliseconds; without a shell between. */
export async function timeCommand(command: string, runs: number, env: NodeJS.ProcessEnv): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'berth-bench-'));
  try {
    const report = join(folder, 'report.json');
    const args = ['-N', '--runs', String(runs), '--warmup', '2', '--export-json', report, command];
    await runChecked('hyperfine', args, { env });
    const { results }: HyperfineReport = JSON.parse(readFileSync(report, 'utf8'));
    return (results[0]?.median ?? Number.NaN) * 1000;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Times one measurement on one engine, without a shell between. */
export async function time(engine: Engine, measurement: Measurement): Promise<Timing> {
  const folder = mkdtempSync(join(tmpdir(), 'berth-bench-'));
  try {
    const report = join(folder, 'report.json');
    const command = (args: readonly string[]) => ['docker', '-H', engine.host, ...args].join(' ');
    const prepare =
      measurement.prepare === undefined ? ['--warmup', '2'] : ['--prepare', command(measurement.prepare)];
    const args = ['-N', '--runs', String(measurement.runs), ...prepare, '--export-json', report];
    const result = await run('hyperfine', [...args, command(measurement.args)], { env: engine.env });
    if (result.code !== 0)
      return { state: 'failed', reason: await reasonOf(engine, measurement, result.stderr) };
    const { results }: HyperfineReport = JSON.parse(readFileSync(report, 'utf8'));
    const [one] = results;
    if (one === undefined) return { state: 'failed', reason: 'hyperfine reported nothing' };
    return { state: 'measured', medianMs: one.median * 1000, minMs: one.min * 1000, maxMs: one.max * 1000 };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** hyperfine hides what the command said: run it once more to hear it. */
async function reasonOf(engine: Engine, measurement: Measurement, hyperfine: string): Promise<string> {
  const { code, stderr } = await run('docker', ['-H', engine.host, ...measurement.args], { env: engine.env });
  const words = code === 0 ? hyperfine : stderr;
  const line = words.split('\n').find((text) => text.trim() !== '') ?? `exit code ${code}`;
  return line.replace(/ Use the '-i'.*/, '').trim();
}
