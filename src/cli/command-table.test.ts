import { expect, test } from 'vitest';
import type { Cli } from './cli.ts';
import {
  COMMANDS,
  findCommand,
  findInGroup,
  GROUPS,
  isMissingCommand,
  wordsInGroup,
} from './command-table.ts';
import { helpText } from './help.ts';

const cli: Cli = {
  name: 'docker',
  env: {},
  exitCode: 0,
  connect: () => Promise.reject(new Error('no test here talks to an engine')),
};

test.each(
  COMMANDS.map((entry) => [entry.words[0] ?? `${entry.group} ${wordsInGroup(entry)[0]}`, entry] as const),
)('%s has code, and a usage text with its summary', async (name, entry) => {
  const command = (await entry.load())(cli, `docker ${name}`);
  expect(command.name()).toBe(`docker ${name}`);
  const text = await helpText(cli, name.split(' '));
  expect(text).toContain(`Usage:  docker ${name} `.trimEnd());
  expect(text).toContain(command.summary());
});

test('no word means two commands', () => {
  for (const entry of COMMANDS) {
    for (const word of entry.words) expect(findCommand(word)).toBe(entry);
    if (entry.group === undefined) continue;
    for (const word of wordsInGroup(entry)) expect(findInGroup(entry.group, word)).toBe(entry);
  }
});

test('no command is both there and missing', () => {
  const words = COMMANDS.flatMap((entry) => [...entry.words, ...(entry.groupWords ?? [])]);
  for (const word of words) expect(isMissingCommand(word)).toBe(false);
});

test('the overview names each command and group', async () => {
  const text = await helpText(cli, []);
  const names = [...COMMANDS.flatMap(({ words }) => words.slice(0, 1)), ...Object.keys(GROUPS), 'compose'];
  for (const name of names) expect(text).toMatch(new RegExp(`^ {2}${name} +\\S`, 'm'));
});

test('help for a word that names nothing is nothing', async () => {
  expect(await helpText(cli, ['nosuch'])).toBeUndefined();
  expect(await helpText(cli, ['container', 'nosuch'])).toBeUndefined();
});
