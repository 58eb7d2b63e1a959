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

/** Everything that one run found out, by engine name. */
export interface Results {
  readonly engines: readonly Engine[];
  readonly timings: readonly {
    readonly measurement: Measurement;
    readonly byEngine: ReadonlyMap<string, Timing>;
  }[];
  readonly memory: ReadonlyMap<string, MemoryUse>;
  /** `Seccomp:` of /proc/self/status in a container; 2 is a filter. */
  readonly seccomp: ReadonlyMap<string, string>;
}

/** The conditions that a figure means nothing without. */
export function conditions(results: Results, load: number): string {
  const [cpu] = cpus();
  const engines = results.engines.map(
    ({ name, version }) => `${name} ${version} (Seccomp: ${results.seccomp.get(name) ?? 'unknown'})`,
  );
  return [
    `- ${new Date().toISOString().slice(0, 10)}, Linux ${release()}, ${cpus().length} × ${cpu?.model ?? 'unknown CPU'},`,
    `  ${Math.round(totalmem() / 2 ** 30)} GiB; load before the run ${load.toFixed(2)}`,
    `- engines: ${engines.join(', ')}`,
    '- medians in milliseconds, by hyperfine through the docker CLI on every side; the same image everywhere;',
    '  in brackets the time as a share of dockerd’s',
  ].join('\n');
}

export const currentLoad = (): number => loadavg()[0] ?? 0;

/** One table: a line per measurement, a column per engine, ratios to dockerd, the goals and whether they are met. */
export function table(results: Results): string {
  const names = results.engines.map(({ name }) => name);
  const lines = [
    ...results.timings.map(({ measurement, byEngine }) => [
      measurement.title,
      ...names.map((name) => timingCell(byEngine.get(name), byEngine.get('dockerd'), name)),
      goalCell(measurement, byEngine),
    ]),
    memoryLine('daemon, resident, before the run (MB)', names, results.memory, ({ before }) => before, 90),
    memoryLine('daemon, resident, after the run (MB)', names, results.memory, ({ after }) => after),
    memoryLine('supervisor, private (MB)', names, results.memory, ({ supervisor }) => supervisor, 1),
  ];
  const header = ['', ...names, 'goal'];
  return [header, header.map(() => '-'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function timingCell(timing: Timing | undefined, dockerd: Timing | undefined, name: string): string {
  if (timing === undefined) return '';
  if (timing.state === 'failed') return `failed: ${timing.reason.replaceAll('|', '/')}`;
  const share =
    name !== 'dockerd' && dockerd?.state === 'measured'
      ? ` (${(timing.medianMs / dockerd.medianMs).toFixed(2)})`
      : '';
  return `${timing.medianMs.toFixed(timing.medianMs < 100 ? 1 : 0)}${share}`;
}

function goalCell({ goalMs, goalRatio }: Measurement, byEngine: ReadonlyMap<string, Timing>): string {
  const berth = milliseconds(byEngine.get('berth'));
  const dockerd = milliseconds(byEngine.get('dockerd'));
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
  memory: ReadonlyMap<string, MemoryUse>,
  pick: (use: MemoryUse) => number,
  goalMB?: number,
): string[] {
  const cells = names.map((name) => {
    const use = memory.get(name);
    return use === undefined ? '' : megabytes(pick(use)).toFixed(1);
  });
  const berth = memory.get('berth');
  if (goalMB === undefined) return [title, ...cells, ''];
  const met = berth === undefined ? undefined : megabytes(pick(berth)) <= goalMB;
  return [title, ...cells, verdict(`≤ ${goalMB}`, met)];
}

const megabytes = (kib: number): number => (kib * 1024) / 1_000_000;

/** `met` is undefined where something that the goal compares was not measured. */
function verdict(goal: string, met: boolean | undefined): string {
  return met === undefined ? goal : `${goal}: ${met ? 'met' : 'not met'}`;
}
