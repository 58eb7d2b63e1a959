import { Command, CommanderError, Option } from 'commander';
import { errorMessage, invalid, nearestWord } from '../base/index.ts';
import { formatUsage } from './usage.ts';

/** A command in Docker's grammar. */
export class CliCommand extends Command {
  /** Whether options may follow operands; if not, what follows the first operand belongs to the container. */
  readonly interspersed: boolean;

  /** `path` is what users type before its options, for example "docker ps". */
  constructor(path: string, summary: string, { interspersed = true }: { interspersed?: boolean } = {}) {
    super(path);
    this.interspersed = interspersed;
    this.summary(summary)
      .exitOverride()
      .configureOutput({ writeErr: () => {}, writeOut: () => {} })
      .configureHelp({ formatHelp: () => formatUsage(this) })
      .helpOption('--help', 'Print usage')
      .allowExcessArguments(false)
      .passThroughOptions(!interspersed);
  }
}

/** An option that may be given more than once; its value is the list, empty by default. */
export function listOption(flags: string, description: string): Option {
  return new Option(flags, description)
    .argParser((value: string, previous: readonly string[]) => [...previous, value])
    .default([]);
}

/** How parsing and running a command went; what the command itself threw is thrown. */
export type Outcome =
  | { readonly kind: 'ran' }
  | { readonly kind: 'help'; readonly text: string }
  | { readonly kind: 'refused'; readonly text: string; readonly exitCode: number };

/** Parses the words after a command's name and runs it. Docker's exit codes: 125 for a wrong option, 1 for wrong operands. */
export async function runCommand(command: CliCommand, words: readonly string[]): Promise<Outcome> {
  const plain = plainOptions(command, words);
  if (plain.kind === 'refused') return refusal(command, plain.reason, 125);
  try {
    await command.parseAsync(plain.words, { from: 'user' });
    return { kind: 'ran' };
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === 'commander.helpDisplayed') return { kind: 'help', text: formatUsage(command) };
    if (error.code === 'commander.missingArgument' || error.code === 'commander.excessArguments') {
      const program = command.name().split(' ')[0];
      const expected = expectedOperands(command);
      const verb = expected.startsWith('requires at least') ? 'See' : 'Run'; // as Docker has it
      return refusal(command, `${program}: '${command.name()}' ${expected}`, 1, verb);
    }
    return refusal(command, error.message.replace(/^error: /, ''), 125);
  }
}

function refusal(
  command: CliCommand,
  reason: string,
  exitCode: number,
  verb: 'Run' | 'See' = 'Run',
): Outcome {
  const usage = `Usage:  ${command.name()} ${command.usage()}`;
  const text = `${reason}\n\n${usage}\n\n${verb} '${command.name()} --help' for more information\n`;
  return { kind: 'refused', text, exitCode };
}

function expectedOperands({ registeredArguments: operands }: Command): string {
  const least = operands.filter((operand) => operand.required).length;
  const most = operands.some((operand) => operand.variadic) ? Number.POSITIVE_INFINITY : operands.length;
  const count = (number: number) => `${number} ${number === 1 ? 'argument' : 'arguments'}`;
  if (most === 0) return 'accepts no arguments';
  if (least === most) return `requires ${count(least)}`;
  if (most === Number.POSITIVE_INFINITY) return `requires at least ${count(least)}`;
  return least === 0 ? `accepts at most ${count(most)}` : `requires ${least} to ${count(most)}`;
}

type PlainOptions =
  | { readonly kind: 'plain'; readonly words: readonly string[] }
  | { readonly kind: 'refused'; readonly reason: string };

/**
 * Rewrites options from pflag's grammar (Docker's option parser) to the plain words that commander takes:
 * `-itp=80:80` → `-i -t -p 80:80`; `--init=true` → `--init`; `--init=false` → nothing, or `--no-init` where there is such.
 */
export function plainOptions(command: CliCommand, words: readonly string[]): PlainOptions {
  const plain: string[] = [];
  const queue = [...words];
  for (let word = queue.shift(); word !== undefined; word = queue.shift()) {
    const isOperand = word === '-' || !word.startsWith('-');
    if (word === '--' || (isOperand && !command.interspersed)) {
      return { kind: 'plain', words: [...plain, word, ...queue] };
    }
    if (isOperand) {
      plain.push(word);
      continue;
    }
    const parsed = word.startsWith('--')
      ? longOption(command, word, queue)
      : shortOptions(command, word, queue);
    if (parsed.kind === 'refused') return parsed;
    plain.push(...parsed.words);
  }
  return { kind: 'plain', words: plain };
}

function longOption(command: Command, word: string, queue: string[]): PlainOptions {
  const equals = word.indexOf('=');
  const flag = equals < 0 ? word : word.slice(0, equals);
  const value = equals < 0 ? undefined : word.slice(equals + 1);
  if (flag === '--help') return { kind: 'plain', words: [flag] };
  const option = command.options.find((candidate) => candidate.long === flag);
  if (option === undefined) {
    const known = command.options.flatMap(({ long, hidden }) => (long == null || hidden ? [] : [long]));
    const nearest = nearestWord(flag, known);
    const hint = nearest === undefined ? '' : `. Did you mean ${nearest}?`;
    return { kind: 'refused', reason: `unknown flag: ${flag}${hint}` };
  }
  if (!option.required) return flagWords(command, option, flag, value);
  const given = value ?? queue.shift();
  if (given === undefined) return { kind: 'refused', reason: `flag needs an argument: ${flag}` };
  return { kind: 'plain', words: [flag, given] };
}

function shortOptions(command: Command, word: string, queue: string[]): PlainOptions {
  const words: string[] = [];
  for (let at = 1; at < word.length; at += 1) {
    const letter = word.charAt(at);
    const rest = word.slice(at + 1);
    const option = command.options.find((candidate) => candidate.short === `-${letter}`);
    if (option === undefined) {
      return { kind: 'refused', reason: `unknown shorthand flag: '${letter}' in ${word}` };
    }
    if (option.required) {
      const given = rest === '' ? queue.shift() : rest.replace(/^=/, '');
      if (given === undefined) {
        return { kind: 'refused', reason: `flag needs an argument: '${letter}' in ${word}` };
      }
      words.push(`-${letter}`, given);
      break;
    }
    const value = rest.startsWith('=') ? rest.slice(1) : undefined;
    const parsed = flagWords(command, option, `-${letter}`, value);
    if (parsed.kind === 'refused') return parsed;
    words.push(...parsed.words);
    if (value !== undefined) break;
  }
  return { kind: 'plain', words };
}

/** A flag without a value, or with the boolean that pflag allows after "=". */
function flagWords(command: Command, option: Option, flag: string, value: string | undefined): PlainOptions {
  if (value === undefined || ['1', 't', 'T', 'true', 'TRUE', 'True'].includes(value)) {
    return { kind: 'plain', words: [flag] };
  }
  if (!['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(value)) {
    const reason = `invalid argument "${value}" for "${option.flags}" flag: it is true or false`;
    return { kind: 'refused', reason };
  }
  const negated = `--no-${option.name()}`;
  return {
    kind: 'plain',
    words: command.options.some((candidate) => candidate.long === negated) ? [negated] : [],
  };
}

/** An option whose value is parsed where it is read; `parse` throws what is wrong with it. */
export function parsedOption<T>(flags: string, description: string, parse: (text: string) => T): Option {
  return new Option(flags, description).argParser((text: string) => parseValue(flags, text, parse));
}

/** As {@link parsedOption}, for an option that may be given more than once: the list of values, empty by default. */
export function parsedListOption<T>(flags: string, description: string, parse: (text: string) => T): Option {
  return new Option(flags, description)
    .argParser((text: string, previous: readonly T[]) => [...previous, parseValue(flags, text, parse)])
    .default([]);
}

function parseValue<T>(flags: string, text: string, parse: (text: string) => T): T {
  try {
    return parse(text);
  } catch (error) {
    const names = flags.replace(/ <.*$/, '');
    const reason = `invalid argument "${text}" for "${names}" flag: ${errorMessage(error)}`;
    throw new CommanderError(125, 'berth.invalidValue', reason);
  }
}

/** A whole number, for {@link parsedOption}. */
export function parseWholeNumber(text: string): number {
  if (!/^-?\d+$/.test(text)) throw invalid('it is no whole number');
  return Number(text);
}
