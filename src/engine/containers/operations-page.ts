import { type Effect, OPERATIONS, type Operation, STATES } from './operations.ts';

const HEAD = `# What a container does in which state

Made from \`src/engine/containers/operations.ts\`, which berthd asks before it refuses anything; a test tries each cell
on a real container. An arrow names the state afterwards where it changes. Events are as \`berth events\` shows them; "kill 15" is
a \`kill\` with that signal. "Nothing to do" is no error: the API answers 304. Numbers in brackets are refusals (409), told in
full below the table. dockerd answers the same, but that unpause of what is not paused is an internal error there, and that
resize and changes of networks fail while a container is restarting.

A container with \`--rm\` goes at its end. Removing and dead, which dockerd knows too, are no states of berth's: a removal
happens as a whole, and one that fails leaves the container as it was, to be removed again.
`;

/** The documentation of {@link OPERATIONS}, as Markdown. */
export function operationsPage(): string {
  const refusals = new Map<string, number>();
  const numberOf = (words: string) => {
    const number = refusals.get(words) ?? refusals.size + 1;
    refusals.set(words, number);
    return number;
  };
  const rows = Object.entries<Operation>(OPERATIONS).map(([name, { effects }]) => [
    `\`${name}\``,
    ...STATES.map((state) => cell(effects[state], state, numberOf)),
  ]);
  const list = [...refusals].map(([words, number]) => `${number}. ${escaped(words)}`);
  return [HEAD, ...table(['', ...STATES], rows), '', '## Refusals', '', ...list, ''].join('\n');
}

/** With columns of even width, as the formatter of this tree has them. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((text, column) => text.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)];
}

function cell(effect: Effect, state: string, numberOf: (words: string) => number): string {
  switch (effect.kind) {
    case 'nothing':
      return 'nothing to do';
    case 'refused':
      return `(${numberOf(effect.words)})`;
    case 'done': {
      const events = effect.events.map((event) => event.trim().replace(/^exec_create: .*/, 'exec_create'));
      const after = effect.after === state ? [] : [`→ ${effect.after}`];
      return [...after, ...(events.length === 0 ? [] : [events.join(', ')])].join(': ') || 'yes';
    }
  }
}

/** What stands for something else, in italics. */
function escaped(words: string): string {
  return words.replace(/\{(\w+)\}/g, '_$1_');
}
