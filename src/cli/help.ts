import type { Cli } from './cli.ts';
import { COMMANDS, findCommand, findInGroup, GROUPS, isGroup, wordsInGroup } from './command-table.ts';
import { globalCommand } from './global-options.ts';
import { columns, formatUsage } from './usage.ts';

/** What `help WORDS…` shows: all commands, a group's, or one command's usage. Undefined for words that name nothing. */
export async function helpText(cli: Cli, words: readonly string[]): Promise<string | undefined> {
  const [word, ...inner] = words;
  if (word === undefined) return overview(cli.name);
  if (isGroup(word) && inner.length === 0) return groupHelp(cli.name, word);
  const entry = isGroup(word) ? findInGroup(word, inner.join(' ')) : findCommand(word);
  if (entry === undefined) return undefined;
  const build = await entry.load();
  return formatUsage(build(cli, [cli.name, ...words].join(' ')));
}

function overview(name: string): string {
  const groups = Object.entries(GROUPS).map(([group, summary]) => [group, summary] as const);
  const commands = COMMANDS.filter(({ words }) => words.length > 0).map(
    ({ words, summary }) => [words[0] ?? '', summary] as const,
  );
  const usage = formatUsage(globalCommand(name)).trimEnd().split('\n');
  const options = usage.slice(usage.indexOf('Options:'));
  return [
    `Usage:  ${name} [OPTIONS] COMMAND`,
    '',
    'A container and virtual-machine engine',
    '',
    'Management Commands:',
    ...columns([...groups, ['compose', 'Define and run applications of several containers'] as const].sort()),
    '',
    'Commands:',
    ...columns(commands),
    '',
    ...options.map((line) => line.replace('Options:', 'Global Options:')),
    '',
    `Run '${name} COMMAND --help' for more information on a command.`,
    '',
  ].join('\n');
}

function groupHelp(name: string, group: keyof typeof GROUPS): string {
  const commands = COMMANDS.filter((entry) => entry.group === group).map(
    (entry) => [wordsInGroup(entry)[0] ?? '', entry.summary] as const,
  );
  return [
    `Usage:  ${name} ${group} COMMAND`,
    '',
    GROUPS[group],
    '',
    'Commands:',
    ...columns(commands),
    '',
    `Run '${name} ${group} COMMAND --help' for more information on a command.`,
    '',
  ].join('\n');
}
