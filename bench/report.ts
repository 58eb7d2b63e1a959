import { cpus, loadavg, release, totalmem } from 'node:os';
import type { Engine } from './engines.ts';
import type { Timing } from './hyperfine.ts';
import type { Measurement } from './measurements.ts';

/** In KiB. */
export interface MemoryUse {
  /** Of the daemon before the run: berth's own has just started, a peer has been there for long. */
  readonly before: number;
  readonly after: number;
  readonly supervisor: number;
}

/** What one engine gave; what is missing was not reached. */
export interface EngineResults {
  /** By the measurement's title. */
  readonly timings: Map<string, Timing>;
  memory?: MemoryUse;
  /** `Seccomp:` of /proc/self/status in a container; 2 is a filter. */
  seccomp?: string;
}

/** Everything that one run found out. */
export interface Results {
  readonly engines: readonly Engine[];
  readonly measurements: readonly Measurement[];
  readonly byEngine: ReadonlyMap<string, EngineResults>;
}

/** The conditions that a figure means nothing without. */
export function conditions(results: Results, load: number): string {
  const engines = results.engines.map(
    ({ name, version }) =>
      `${name} ${version} (Seccomp: ${results.byEngine.get(name)?.seccomp ?? 'unknown'})`,
  );
  return [
    `- ${machine(load)}`,
    `- engines: ${engines.join(', ')}`,
    '- medians in milliseconds, by hyperfine through the docker CLI on every side; the same image everywhere;',
    '  in brackets the time as a share of dockerd’s',
  ].join('\n');
}

/** Day and machine of a run, and what else the machine was doing. */
export function machine(load: number): string {
  const [cpu] = cpus();
  const processors = `${cpus().length} × ${cpu?.model ?? 'unknown CPU'}`;
  const day = new Date().toISOString().slice(0, 10);
  return `${day}, Linux ${release()}, ${processors},\n  ${Math.round(totalmem() / 2 ** 30)} GiB; load before the run ${load.toFixed(2)}`;
}

export const currentLoad = (): number => loadavg()[0] ?? 0;

/** One table: a line per measurement, a column per engine, ratios to dockerd, the goals and whether they are met. */
export function table(results: Results): string {
  const names = results.engines.map(({ name }) => name);
  const lines = [
    ...results.measurements.map((measurement) => timingLine(measurement, names, results)),
    memoryLine('daemon, resident, before the run (MB)', names, results, ({ before }) => before, 90),
    memoryLine('daemon, resident, after the run (MB)', names, results, ({ after }) => after),
    memoryLine('supervisor, private (MB)', names, results, ({ supervisor }) => supervisor, 1),
  ];
  const header = ['', ...names, 'goal'];
  return [header, header.map(() => '-'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function timingLine(measurement: Measurement, names: readonly string[], { byEngine }: Results): string[] {
  const timing = (name: string) => byEngine.get(name)?.timings.get(measurement.title);
  const cells = names.map((name) =>
    timingCell(timing(name), name === 'dockerd' ? undefined : timing('dockerd')),
  );
  return [measurement.title, ...cells, goalCell(measurement, timing('berth'), timing('dockerd'))];
}

function timingCell(timing: Timing | undefined, reference: Timing | undefined): string {
  if (timing === undefined) return '';
  if (timing.state === 'failed') return `failed: ${timing.reason.replaceAll('|', '/')}`;
  const base = milliseconds(reference);
  const share = base === undefined ? '' : ` (${(timing.medianMs / base).toFixed(2)})`;
  return `${timing.medianMs.toFixed(timing.medianMs < 100 ? 1 : 0)}${share}`;
}

function goalCell(
  { goalMs, goalRatio }: Measurement,
  berthTiming: Timing | undefined,
  dockerdTiming: Timing | undefined,
): string {
  const berth = milliseconds(berthTiming);
  const dockerd = milliseconds(dockerdTiming);
  if (goalMs !== undefined) {
    return verdict(`< ${goalMs}`, berth === undefined ? undefined : berth < goalMs);
  }
  if (goalRatio === undefined) return '';
  const known = berth !== undefined && dockerd !== undefined;
  return verdict(`≤ ${goalRatio} × dockerd`, known ? berth <= goalRatio * dockerd : undefined);
}

const milliseconds = (timing: Timing | undefined): number | undefined =>
  timing?.state === 'measured' ? timing.medianMs : undefined;

function memoryLine(
  title: string,
  names: readonly string[],
  { byEngine }: Results,
  pick: (use: MemoryUse) => number,
  goalMB?: number,
): string[] {
  const cells = names.map((name) => {
    const use = byEngine.get(name)?.memory;
    return use === undefined ? '' : megabytes(pick(use)).toFixed(1);
  });
  const berth = byEngine.get('berth')?.memory;
  if (goalMB === undefined) return [title, ...cells, ''];
  const met = berth === undefined ? undefined : megabytes(pick(berth)) <= goalMB;
  return [title, ...cells, verdict(`≤ ${goalMB}`, met)];
}

const megabytes = (kib: number): number => (kib * 1024) / 1_000_000;

/** `met` is undefined where something that the goal compares was not measured. */
export function verdict(goal: string, met: boolean | undefined): string {
  return met === undefined ? goal : `${goal}: ${met ? 'met' : 'not met'}`;
}
