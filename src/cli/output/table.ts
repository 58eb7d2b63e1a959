import { compileTemplate } from './template.ts';

/** One row's fields by their names in templates. A function is a method, like `.Label "key"`. */
export type Row = Readonly<Record<string, string | object | ((argument: string) => string)>>;

/** How a list is printed. */
export interface TableFormat {
  /** `--format`; undefined: `defaultFormat`. */
  readonly format: string | undefined;
  /** For example `table {{.ID}}\t{{.Names}}`. */
  readonly defaultFormat: string;
  /** Only this field of each row (`--quiet`), unless a format is given. */
  readonly quietField?: string | undefined;
  /** The titles of the fields: `{ ID: 'CONTAINER ID' }`. */
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * A list in Docker's formats: "table" (the default), `table TEMPLATE`, "json", or a template for each row.
 * Ends with a newline unless it is empty. Throws `invalid` for a wrong template.
 */
export function formatRows(
  rows: readonly Row[],
  { format, defaultFormat, quietField, headers }: TableFormat,
): string {
  const chosen = format === undefined || format === '' || format === 'table' ? undefined : format;
  if (chosen === undefined && quietField !== undefined) {
    return rows.map((row) => `${String(row[quietField])}\n`).join('');
  }
  const given = (chosen ?? defaultFormat).replaceAll('\\t', '\t').replaceAll('\\n', '\n');
  const text = given === 'json' ? '{{json .}}' : given;
  const isTable = text.startsWith('table');
  // A method's column has its argument as the title.
  const titles = { ...headers, Label: (key: string) => key };
  const template = compileTemplate(isTable ? text.slice('table'.length).trimStart() : text);
  const lines = rows.map((row) => template.render(sorted(row)));
  return isTable
    ? alignColumns([template.render(titles), ...lines])
    : lines.map((line) => `${line}\n`).join('');
}

/** Aligns tab-separated cells as Go's tabwriter does for docker: at least ten wide, three blanks between. */
export function alignColumns(lines: readonly string[]): string {
  const rows = lines.map((line) => line.split('\t'));
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.slice(0, -1).entries()) {
      widths[column] = Math.max(widths[column] ?? 10, [...cell].length + 3);
    }
  }
  const padded = (cell: string, column: number) =>
    cell + ' '.repeat((widths[column] ?? 0) - [...cell].length);
  return rows.map((row) => `${row.slice(0, -1).map(padded).join('')}${row.at(-1) ?? ''}\n`).join('');
}

/** `{{json .}}` lists the fields by name. */
function sorted(row: Row): Row {
  return Object.fromEntries(Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1)));
}
