import type { Command, Option } from 'commander';

/** One line of a list of commands. */
export interface CommandLine {
  readonly name: string;
  readonly summary: string;
}

/** The text of `COMMAND --help`, laid out as Docker's. */
export function formatUsage(command: Command): string {
  const options = command.options
    .filter((option) => !option.hidden)
    .toSorted((a, b) => a.name().localeCompare(b.name()));
  const lines = [`Usage:  ${command.name()} ${command.usage()}`, '', command.summary()];
  if (options.length > 0) {
    lines.push('', 'Options:', ...columns(options.map((option) => [flagsOf(option), descriptionOf(option)])));
  }
  return `${lines.join('\n')}\n`;
}

/** Rows of two columns, indented, the second one aligned. */
export function columns(rows: readonly (readonly [string, string])[], gap = 3): string[] {
  const width = Math.max(...rows.map(([first]) => first.length)) + gap;
  return rows.map(([first, second]) => `  ${first.padEnd(width)}${second}`.trimEnd());
}

/** `-a, --all`, `    --name string`: long options without a short one are indented as far. */
function flagsOf(option: Option): string {
  const value = / [<[]([^>\]]+)[>\]]/.exec(option.flags)?.[1];
  const short = option.short === undefined ? '    ' : `${option.short}, `;
  return `${short}${option.long ?? ''}${value === undefined ? '' : ` ${value}`}`;
}

function descriptionOf(option: Option): string {
  const { description, defaultValue } = option;
  const shown = typeof defaultValue === 'number' || (typeof defaultValue === 'string' && defaultValue !== '');
  return shown ? `${description} (default ${JSON.stringify(defaultValue)})` : description;
}
