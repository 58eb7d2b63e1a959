import { expect, test } from 'vitest';
import {
  CliCommand,
  listOption,
  type Outcome,
  parsedOption,
  parseWholeNumber,
  runCommand,
} from './grammar.ts';

/** What a command like `run` makes of words: its operands and options, or how it refused. */
async function parse(...words: string[]) {
  return parseWith({ interspersed: false }, words);
}

async function parseWith(options: { interspersed: boolean }, words: readonly string[]) {
  const command = new CliCommand('docker run', 'Run it', options);
  let seen: unknown;
  command
    .usage('[OPTIONS] IMAGE [COMMAND] [ARG...]')
    .argument('<image>')
    .argument('[words...]')
    .option('-d, --detach', 'In the background')
    .option('-i, --interactive', 'With input')
    .option('-t, --tty', 'With a terminal')
    .option('--sig-proxy', 'Pass signals on', true)
    .option('--no-sig-proxy')
    .addOption(listOption('-e, --env <list>', 'Variables'))
    .addOption(listOption('-p, --publish <list>', 'Ports'))
    .addOption(parsedOption('--cpus <int>', 'CPUs', parseWholeNumber))
    .action((image: string, rest: readonly string[], flags: object) => {
      seen = { image, rest, ...flags };
    });
  const outcome = await runCommand(command, words);
  return outcome.kind === 'ran' ? seen : outcome;
}

test('leaves what follows the image to the container', async () => {
  expect(await parse('-d', 'img', 'sh', '-c', '-e')).toMatchObject({
    detach: true,
    image: 'img',
    rest: ['sh', '-c', '-e'],
    env: [],
  });
});

test('takes options after operands where a command allows them', async () => {
  expect(await parseWith({ interspersed: true }, ['img', '-d', 'more'])).toMatchObject({
    detach: true,
    rest: ['more'],
  });
});

test.each([
  [['-it', 'img'], { interactive: true, tty: true }],
  [['-itd', 'img'], { interactive: true, tty: true, detach: true }],
  [['-itp', '80:80', 'img'], { interactive: true, publish: ['80:80'] }],
  [['-itp80:80', 'img'], { publish: ['80:80'] }],
  [['-p=80:80', 'img'], { publish: ['80:80'] }],
  [['--publish=80:80', '--publish', '81:81', 'img'], { publish: ['80:80', '81:81'] }],
  [['-e', 'A=b=c', '-e', '', '-eB', 'img'], { env: ['A=b=c', '', 'B'] }],
  [['-e', '-d', 'img'], { env: ['-d'] }],
  [['--detach=true', '-t=1', 'img'], { detach: true, tty: true }],
  [['--detach=false', 'img'], { sigProxy: true }],
  [['--sig-proxy=false', 'img'], { sigProxy: false }],
  [['--cpus', '2', 'img'], { cpus: 2 }],
  [['-d', '--', 'img', '-x'], { detach: true, image: 'img', rest: ['-x'] }],
])('reads %j as docker does', async (words, expected) => {
  expect(await parse(...words)).toMatchObject({ image: 'img', ...expected });
});

test.each([
  [['--foo', 'img'], 125, 'unknown flag: --foo'],
  [['-iz', 'img'], 125, "unknown shorthand flag: 'z' in -iz"],
  [['--env'], 125, 'flag needs an argument: --env'],
  [['-ie'], 125, "flag needs an argument: 'e' in -ie"],
  [['--cpus', 'x', 'img'], 125, 'invalid argument "x" for "--cpus" flag: it is no whole number'],
  [['--tty=maybe', 'img'], 125, 'invalid argument "maybe" for "-t, --tty" flag: it is true or false'],
])('refuses %j with exit code %d', async (words, exitCode, reason) => {
  expect(await parse(...words)).toEqual({
    kind: 'refused',
    exitCode,
    text: `${reason}\n\nUsage:  docker run [OPTIONS] IMAGE [COMMAND] [ARG...]\n\nRun 'docker run --help' for more information\n`,
  });
});

test('refuses too few operands with exit code 1', async () => {
  expect(await parse()).toEqual({
    kind: 'refused',
    exitCode: 1,
    text: `docker: 'docker run' requires at least 1 argument\n\nUsage:  docker run [OPTIONS] IMAGE [COMMAND] [ARG...]\n\nSee 'docker run --help' for more information\n`,
  });
});

test.each([
  ['', 'accepts no arguments', ['extra']],
  ['<a>', 'requires 1 argument', []],
  ['<a> <b>', 'requires 2 arguments', ['x']],
  ['[a]', 'accepts at most 1 argument', ['x', 'y']],
])('says how many operands "%s" takes', async (operands, text, words) => {
  const command = new CliCommand('docker x', '').action(() => {});
  for (const operand of operands.split(' ').filter(Boolean)) command.argument(operand);
  const outcome: Outcome = await runCommand(command as CliCommand, words);
  expect(outcome).toMatchObject({ kind: 'refused', exitCode: 1 });
  expect(outcome.kind === 'refused' && outcome.text).toContain(`'docker x' ${text}`);
});

test('shows its usage when asked', async () => {
  expect(await parse('--help')).toMatchObject({
    kind: 'help',
    text: expect.stringMatching(
      /^Usage: {2}docker run \[OPTIONS\][\s\S]*\n {2}-d, --detach +In the background\n/,
    ),
  });
});
