import { nearestWord } from '../base/index.ts';
import type { EngineClient } from '../client/index.ts';
import type { Cli } from './cli.ts';
import {
  COMMANDS,
  type CommandEntry,
  type CommandGroup,
  findCommand,
  findInGroup,
  GROUPS,
  isGroup,
  isMissingCommand,
  wordsInGroup,
} from './command-table.ts';
import { checkContext, chooseTarget, connect, tlsRefusal } from './connection.ts';
import { failureText } from './failure.ts';
import { type GlobalOptions, readGlobalOptions } from './global-options.ts';
import { runCommand } from './grammar.ts';

/**
 * berth's command line: global options, then a command, whose code is loaded now and not before.
 * Called as docker-compose, it is `berth compose`. Resolves to the exit code.
 */
async function main(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const calledAs = env.BERTH_ARGV0 ?? 'berth';
  const name = calledAs.startsWith('docker') ? 'docker' : 'berth';
  if (calledAs === 'docker-compose') return runCompose(new CommandLine(name, {}, env), calledAs, argv);
  const globals = await readGlobalOptions(name, argv);
  if (globals.kind === 'refused') return refuse(globals.text, globals.exitCode);
  checkGlobalOptions(globals.options);
  return dispatch(new CommandLine(name, globals.options, env), globals.options, globals.rest);
}

async function dispatch(cli: Cli, options: GlobalOptions, words: readonly string[]): Promise<number> {
  const [word, ...rest] = words;
  if (options.version === true) return printVersion(cli);
  if (word === undefined || options.help === true) return showHelp(cli, []);
  if (word === 'help') return showHelp(cli, rest);
  if (word === 'compose') return runCompose(cli, `${cli.name} compose`, rest);
  if (isGroup(word)) return dispatchInGroup(cli, word, rest);
  const entry = findCommand(word);
  if (entry === undefined) return refuseWord(cli, cli.name, word, topWords());
  return runEntry(cli, entry, `${cli.name} ${word}`, rest);
}

async function dispatchInGroup(cli: Cli, group: CommandGroup, words: readonly string[]): Promise<number> {
  const [word, ...rest] = words;
  if (word === undefined || word === '--help') return showHelp(cli, [group]);
  const [second = '', ...behind] = rest;
  const ofTwo = findInGroup(group, `${word} ${second}`);
  if (ofTwo !== undefined) return runEntry(cli, ofTwo, `${cli.name} ${group} ${word} ${second}`, behind);
  const entry = findInGroup(group, word);
  if (entry === undefined) {
    const known = COMMANDS.filter((other) => other.group === group).flatMap(wordsInGroup);
    return refuseWord(cli, `${cli.name} ${group}`, word, known, `Usage:  ${cli.name} ${group}\n\n`);
  }
  return runEntry(cli, entry, `${cli.name} ${group} ${word}`, rest);
}

async function runEntry(
  cli: Cli,
  entry: CommandEntry,
  path: string,
  words: readonly string[],
): Promise<number> {
  const build = await entry.load();
  const outcome = await runCommand(build(cli, path), words);
  switch (outcome.kind) {
    case 'ran':
      return cli.exitCode;
    case 'help':
      process.stdout.write(outcome.text);
      return 0;
    case 'refused':
      return refuse(outcome.text, outcome.exitCode);
  }
}

async function runCompose(cli: Cli, path: string, words: readonly string[]): Promise<number> {
  const compose = await import('./compose.ts');
  await compose.runCompose(cli, path, words);
  return cli.exitCode;
}

async function printVersion(cli: Cli): Promise<number> {
  const { versionLine } = await import('./commands/version.ts');
  process.stdout.write(`${versionLine(cli.name)}\n`);
  return 0;
}

async function showHelp(cli: Cli, words: readonly string[]): Promise<number> {
  const { helpText } = await import('./help.ts');
  const text = await helpText(cli, words);
  if (text === undefined) return refuseWord(cli, cli.name, words.join(' '), []);
  process.stdout.write(text);
  return 0;
}

/** Every word that may stand at the top level. */
function topWords(): string[] {
  return [...COMMANDS.flatMap((entry) => entry.words), ...Object.keys(GROUPS), 'compose', 'help'];
}

function refuseWord(cli: Cli, path: string, word: string, known: readonly string[], usage = ''): number {
  if (isMissingCommand(word)) return refuse(`${cli.name}: '${path} ${word}' is not implemented\n`, 1);
  const nearest = nearestWord(word, known);
  const hint = nearest === undefined ? '' : `. Did you mean ${path} ${nearest}?`;
  const reason = `${cli.name}: unknown command: ${path} ${word}${hint}`;
  return refuse(`${reason}\n\n${usage}Run '${path} --help' for more information\n`, 1);
}

function refuse(text: string, exitCode: number): number {
  process.stderr.write(text);
  return exitCode;
}

function checkGlobalOptions({ context, tls, tlsverify }: GlobalOptions): void {
  checkContext(context);
  if (tls === true) throw tlsRefusal('--tls');
  if (tlsverify === true) throw tlsRefusal('--tlsverify');
}

class CommandLine implements Cli {
  readonly name: string;
  readonly env: NodeJS.ProcessEnv;
  exitCode = 0;
  readonly #options: GlobalOptions;
  #client: Promise<EngineClient> | undefined;

  constructor(name: string, options: GlobalOptions, env: NodeJS.ProcessEnv) {
    this.name = name;
    this.env = env;
    this.#options = options;
  }

  connect(): Promise<EngineClient> {
    this.#client ??= connect(chooseTarget(this.#options.host, this.env), this.env);
    return this.#client;
  }
}

/** Resolves when the kernel has all that was written: to a socket or pipe, that takes as long as its reader does. */
async function written(stream: NodeJS.WriteStream): Promise<void> {
  if (stream.writableLength === 0) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  stream.write('', () => resolve());
  await promise;
}

/** Whoever read our output is gone: end as a program that SIGPIPE killed. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(141);
  throw error;
});

try {
  const code = await main(process.argv.slice(2), process.env);
  for (const stream of [process.stdout, process.stderr]) await written(stream);
  // Not just the exit code: an open stdin or a followed stream must not keep a finished command alive.
  process.exit(code);
} catch (error) {
  process.stderr.write(`${failureText(error)}\n`);
  process.exit(1);
}
