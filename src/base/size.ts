import { invalid } from './errors.ts';

const UNITS: Record<string, number> = { b: 0, k: 1, m: 2, g: 3, t: 4, p: 5 };

/** Parses "512m", "1.5g", "64KiB" or a bare number of bytes into bytes (binary units, as Docker's -m). */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?) ?([bkmgtp])?(?:i?b)?$/i.exec(text.trim());
  const [, number, unit = 'b'] = match ?? [];
  if (number === undefined) {
    throw invalid(`invalid size: '${text}'`, { hint: 'Write a number and a unit, like 512m or 2g' });
  }
  return Math.floor(Number(number) * 1024 ** (UNITS[unit.toLowerCase()] ?? 0));
}

/** Decimal units, as Docker prints sizes: "248MB", "1.21kB". Docker's totals have four significant digits. */
export function formatSize(bytes: number, digits: 3 | 4 = 3): string {
  return format(bytes, 1000, ['B', 'kB', 'MB', 'GB', 'TB', 'PB'], digits);
}

/** Binary units, as Docker prints memory: "512MiB". */
export function formatBinarySize(bytes: number): string {
  return format(bytes, 1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'], 4);
}

function format(bytes: number, base: number, units: readonly string[], precision: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= base && unit < units.length - 1) {
    value /= base;
    unit += 1;
  }
  return `${Number(value.toPrecision(precision))}${units[unit]}`;
}
