import type { ConsoleSize } from '../runtime/index.ts';
import type { Fields } from './fields.ts';

/** The member ConsoleSize: rows and columns that a terminal has from its start; undefined: none are asked for. */
export function parseConsoleSize(body: Fields): ConsoleSize | undefined {
  const [rows = 0, columns = 0] = body.counts('ConsoleSize');
  return rows === 0 && columns === 0 ? undefined : { rows, columns };
}
