import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Bar, barChart } from '../bar-chart.ts';
import { writeSection } from '../readme.ts';
import type { Figures } from './measure.ts';

/** What the last runs have found. */
export interface Kept {
  accelerator?: string;
  readonly kinds: Record<string, Figures & { readonly many: number; readonly conditions: string }>;
}

/** So many are looked at side by side. */
export const MANY = 20;

const DOCS = join(import.meta.dirname, '../../docs');

/** The columns, in their order. */
const columns = [
  { kind: 'container', title: 'container' },
  { kind: 'gvisor', title: 'with gVisor' },
  { kind: 'vm', title: 'VM from an image' },
  { kind: 'machine', title: 'machine' },
] as const;

interface Row {
  readonly key: Exclude<keyof Figures, 'many'>;
  readonly title: string;
  readonly goodEnd: 'less' | 'more';
  readonly unit: string;
  show(value: number): string;
}

const megabytes = (bytes: number): string => (bytes < 1e5 ? '< 0.1' : round(bytes / 1e6));
const round = (value: number): string => (value < 10 ? value.toFixed(1) : value.toFixed(0));

const rows: readonly Row[] = [
  {
    key: 'start',
    title: 'From the command to the end of a first program',
    goodEnd: 'less',
    unit: 's',
    show: (ms) => (ms / 1000).toFixed(2),
  },
  { key: 'memoryOfOne', title: 'Memory of one that waits', goodEnd: 'less', unit: 'MB', show: megabytes },
  {
    key: 'memoryOfMany',
    title: 'Memory of 20 that wait, together',
    goodEnd: 'less',
    unit: 'MB',
    show: megabytes,
  },
  { key: 'disk', title: 'Disk that one more takes', goodEnd: 'less', unit: 'MB', show: megabytes },
  {
    key: 'compute',
    title: 'A computation in Python',
    goodEnd: 'less',
    unit: 's',
    show: (seconds) => seconds.toFixed(2),
  },
  { key: 'receive', title: 'Received from the host', goodEnd: 'more', unit: 'MiB/s', show: round },
  { key: 'write', title: 'Written, until it is on the disk', goodEnd: 'more', unit: 'MiB/s', show: round },
  { key: 'files', title: 'Small files made and removed', goodEnd: 'more', unit: 'files/s', show: round },
];

/** Writes the table and the charts into docs/. */
export function render(kept: Kept): void {
  for (const row of rows) writeFileSync(join(DOCS, 'images', imageOf(row)), chart(row, kept));
  const text = [conditions(kept), table(kept), ...rows.map(picture)].join('\n\n');
  writeSection('figures', text, join(DOCS, 'containers-or-vms.md'));
  console.log(readFileSync(join(DOCS, 'containers-or-vms.md'), 'utf8'));
}

const imageOf = ({ key }: Row): string => `containers-or-vms-${key.toLowerCase()}.svg`;

const picture = (row: Row): string => `![${row.title}](images/${imageOf(row)})`;

function conditions({ accelerator, kinds }: Kept): string {
  const lines = Object.entries(kinds).map(([kind, figures]) => {
    const title = columns.find((column) => column.kind === kind)?.title ?? kind;
    const many = figures.many === MANY ? '' : `; ${figures.many} side by side instead of ${MANY}`;
    return `- ${title}: ${figures.conditions.replaceAll('\n ', '')}${many}`;
  });
  return [`- accelerator of the virtual machines: ${accelerator ?? 'unknown'}`, ...lines].join('\n');
}

function table(kept: Kept): string {
  const header = ['', ...columns.map(({ title }) => title)];
  const body = rows.map((row) => [
    `${row.title} (${row.unit})`,
    ...columns.map(({ kind }) => cell(row, kept, kind)),
  ]);
  return padded([header, ...body]);
}

/** As the formatter wants tables. */
function padded(lines: readonly (readonly string[])[]): string {
  const [header = [], ...body] = lines;
  const widths = header.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  return [header, widths.map((width) => '-'.repeat(width)), ...body].map(line).join('\n');
}

function chart(row: Row, kept: Kept): string {
  const bars = columns.map(({ kind, title }): Bar => {
    const value = kept.kinds[kind]?.[row.key];
    const text =
      value === undefined
        ? 'not measured'
        : cell(row, kept, kind).replace(/^[<\d. ]*[\d.]+/, `$& ${row.unit}`);
    return { label: title, value, text };
  });
  return barChart({ title: row.title, subtitle: `${row.unit}; ${row.goodEnd} is better`, bars });
}

function cell(row: Row, kept: Kept, kind: string): string {
  const figures = kept.kinds[kind];
  const value = figures?.[row.key];
  if (figures === undefined || value === undefined) return 'not measured';
  const isOfFewer = row.key === 'memoryOfMany' && figures.many !== MANY;
  return isOfFewer ? `${row.show(value)} (${figures.many} of them)` : row.show(value);
}
