import { invalid } from '../../base/index.ts';
import { commandForm } from './command-form.ts';
import { takeFlags } from './flags.ts';
import { parseHealthcheck } from './healthcheck.ts';
import type {
  ArgDeclaration,
  CopyInstruction,
  Dockerfile,
  Instruction,
  Origin,
  Pair,
  RunInstruction,
  Stage,
} from './instructions.ts';
import { readInstructions, type SourceInstruction } from './source-lines.ts';
import { unknownInstruction } from './unknown-instruction.ts';
import { splitWords } from './words.ts';
import { notThereYet, wrong } from './wrong.ts';

const KEYWORDS = [
  'ADD',
  'ARG',
  'CMD',
  'COPY',
  'ENTRYPOINT',
  'ENV',
  'EXPOSE',
  'FROM',
  'HEALTHCHECK',
  'LABEL',
  'MAINTAINER',
  'ONBUILD',
  'RUN',
  'SHELL',
  'STOPSIGNAL',
  'USER',
  'VOLUME',
  'WORKDIR',
];

/** Parses a Dockerfile. Errors are `invalid` (or `not-implemented`) and begin with `file:line`. */
export function parseDockerfile(file: string, content: string): Dockerfile {
  const { escapeCharacter, instructions } = readInstructions(file, content);
  const globalArgs: ArgDeclaration[] = [];
  const stages: (Stage & { instructions: Instruction[] })[] = [];
  for (const source of instructions) {
    const origin = { file, line: source.line, text: source.text };
    if (source.keyword === 'FROM') {
      stages.push({ ...origin, ...parseFrom(origin, source.rest), instructions: [] });
      continue;
    }
    const parsed = parseInstruction(origin, source, escapeCharacter);
    const stage = stages.at(-1);
    if (stage !== undefined) stage.instructions.push(parsed);
    else if (parsed.kind === 'arg') globalArgs.push(...parsed.declarations);
    else throw wrong(origin, 'no build stage in current context: only ARG may stand before FROM');
  }
  if (stages.length === 0)
    throw invalid(`${file}: the Dockerfile has no FROM: it is empty, or has only comments and ARGs`);
  return { escapeCharacter, globalArgs, stages };
}

/** Parses instructions that belong to no stage. Errors begin with `file:line`. */
export function parseInstructions(
  file: string,
  content: string,
): { readonly escapeCharacter: string; readonly instructions: readonly Instruction[] } {
  const { escapeCharacter, instructions } = readInstructions(file, content);
  const parsed = instructions.map((source) =>
    parseInstruction({ file, line: source.line, text: source.text }, source, escapeCharacter),
  );
  return { escapeCharacter, instructions: parsed };
}

/** Parses the instructions that an image leaves to builds that begin with it (ONBUILD). `image` names it in errors. */
export function parseTriggers(image: string, triggers: readonly string[]): Instruction[] {
  return triggers.flatMap((trigger, index) => {
    const file = `ONBUILD of ${image}`;
    const { escapeCharacter, instructions } = readInstructions(file, trigger);
    return instructions.map((source) =>
      parseInstruction({ file, line: index + 1, text: source.text }, source, escapeCharacter),
    );
  });
}

function parseFrom(origin: Origin, rest: string): Pick<Stage, 'base' | 'platform' | 'name'> {
  const { flags, text } = takeFlags(origin, 'FROM', rest, ['platform']);
  const [base, as, name, ...more] = text.split(/\s+/);
  const isForm =
    base !== undefined &&
    base !== '' &&
    more.length === 0 &&
    (as === undefined || (as.toUpperCase() === 'AS' && name !== undefined));
  if (!isForm) throw wrong(origin, 'FROM requires either one argument, or three: FROM <image> [AS <name>]');
  if (name !== undefined && !/^[a-z][a-z0-9-_.]*$/i.test(name))
    throw wrong(
      origin,
      `invalid name for build stage: "${name}"`,
      'A name begins with a letter and has letters, digits, "-", "_" and "."',
    );
  return { base, platform: flags.get('platform'), name: name?.toLowerCase() };
}

function parseInstruction(
  origin: Origin,
  { keyword, rest }: SourceInstruction,
  escapeCharacter: string,
): Instruction {
  if (rest === '' && KEYWORDS.includes(keyword))
    throw wrong(origin, `${keyword} requires at least one argument`);
  const words = () => splitWords(rest, escapeCharacter);
  switch (keyword) {
    case 'RUN':
      return { ...origin, ...parseRun(origin, rest, escapeCharacter) };
    case 'COPY':
    case 'ADD':
      return { ...origin, ...parseCopy(origin, keyword, rest, escapeCharacter) };
    case 'ENV':
    case 'LABEL': {
      const kind = keyword === 'ENV' ? 'env' : 'label';
      return { ...origin, kind, pairs: parsePairs(origin, keyword, rest, words()) };
    }
    case 'ARG':
      return { ...origin, kind: 'arg', declarations: words().map((word) => parseArg(origin, word)) };
    case 'WORKDIR':
      return { ...origin, kind: 'workdir', path: rest };
    case 'USER':
      return { ...origin, kind: 'user', user: rest };
    case 'EXPOSE':
      return { ...origin, kind: 'expose', ports: rest };
    case 'VOLUME':
      return { ...origin, kind: 'volume', paths: commandForm(origin, rest) };
    case 'CMD':
      return { ...origin, kind: 'cmd', command: commandForm(origin, rest) };
    case 'ENTRYPOINT':
      return { ...origin, kind: 'entrypoint', command: commandForm(origin, rest) };
    case 'SHELL': {
      const command = commandForm(origin, rest);
      if (command.form !== 'exec' || command.args.length === 0)
        throw wrong(
          origin,
          'SHELL requires the arguments to be in JSON form',
          'Write SHELL ["/bin/bash", "-c"]',
        );
      return { ...origin, kind: 'shell', args: command.args };
    }
    case 'STOPSIGNAL':
      return { ...origin, kind: 'stopsignal', signal: rest };
    case 'MAINTAINER':
      return { ...origin, kind: 'maintainer', name: rest };
    case 'HEALTHCHECK':
      return { ...origin, ...parseHealthcheck(origin, rest) };
    case 'ONBUILD':
      return { ...origin, kind: 'onbuild', trigger: checkTrigger(origin, rest, escapeCharacter) };
    default:
      throw unknownInstruction(origin, keyword, KEYWORDS);
  }
}

function parseRun(origin: Origin, rest: string, escapeCharacter: string): RunInstruction {
  const { flags, text } = takeFlags(origin, 'RUN', rest, ['network']);
  if (text === '') throw wrong(origin, 'RUN requires at least one argument');
  const network = flags.get('network') ?? 'default';
  if (network !== 'default' && network !== 'none' && network !== 'host')
    throw wrong(origin, `invalid network of RUN: "${network}"`, 'It is default, none or host');
  const command = commandForm(origin, text);
  if (command.form === 'exec' && command.args.length === 0)
    throw wrong(origin, 'RUN requires at least one argument');
  if (command.form === 'shell') refuseHereDocuments(origin, text, escapeCharacter);
  return { kind: 'run', command, network };
}

/** The rule of BuildKit's parser: a word of its own like `<<EOF`, `<<-"EOF"` or `3<<EOF`. */
function refuseHereDocuments(origin: Origin, text: string, escapeCharacter: string): void {
  const word = splitWords(text, escapeCharacter).find((one) => /^\d*<<-?(["']?)\w+\1$/.test(one));
  if (word === undefined) return;
  throw notThereYet(
    origin,
    `here-documents (${word}) are`,
    'Join commands with && and continuation lines; put files into the context',
  );
}

function parseCopy(
  origin: Origin,
  keyword: 'COPY' | 'ADD',
  rest: string,
  escapeCharacter: string,
): CopyInstruction {
  const known = keyword === 'COPY' ? ['from', 'chown', 'chmod'] : ['chown', 'chmod'];
  const { flags, text } = takeFlags(origin, keyword, rest, known);
  const form = commandForm(origin, text);
  if (form.form === 'shell') refuseHereDocuments(origin, text, escapeCharacter);
  const words = form.form === 'exec' ? [...form.args] : splitWords(text, escapeCharacter);
  const destination = words.pop();
  if (destination === undefined || words.length === 0) {
    throw wrong(
      origin,
      `${keyword} requires at least two arguments, but only one was provided. Destination could not be determined`,
    );
  }
  const from = flags.get('from');
  if (from?.includes('$'))
    throw wrong(
      origin,
      `--from does not expand variables: ${from}`,
      'Name a stage instead: FROM $IMAGE AS name, then --from=name',
    );
  return {
    kind: 'copy',
    unpack: keyword === 'ADD',
    sources: words,
    destination,
    from,
    owner: flags.get('chown'),
    mode: flags.get('chmod'),
  };
}

/** `NAME=value …`, or the old form `NAME value` with everything after the blank as the value. */
function parsePairs(origin: Origin, keyword: string, rest: string, words: readonly string[]): Pair[] {
  const [first = ''] = words;
  if (!first.includes('=')) {
    const [, name = '', value] = /^(\S+)\s+([\s\S]+)$/.exec(rest) ?? [];
    if (value === undefined)
      throw wrong(origin, `${keyword} must have two arguments, or be of the form NAME=value`);
    return [{ name, value }];
  }
  return words.map((word) => {
    const at = word.indexOf('=');
    if (at < 0)
      throw wrong(origin, `Syntax error - can't find = in "${word}". Must be of the form: name=value`);
    if (at === 0) throw wrong(origin, `${keyword} names can not be blank`);
    return { name: word.slice(0, at), value: word.slice(at + 1) };
  });
}

function parseArg(origin: Origin, word: string): ArgDeclaration {
  const at = word.indexOf('=');
  const name = at < 0 ? word : word.slice(0, at);
  if (!/^[A-Za-z_]\w*$/.test(name)) throw wrong(origin, `invalid ARG name: "${name}"`);
  return { name, value: at < 0 ? undefined : word.slice(at + 1) };
}

/** What ONBUILD keeps must be an instruction that the later build can do. */
function checkTrigger(origin: Origin, rest: string, escapeCharacter: string): string {
  const [, written = '', following = ''] = /^(\S+)\s*([\s\S]*)$/.exec(rest) ?? [];
  const keyword = written.toUpperCase();
  if (['ONBUILD', 'FROM', 'MAINTAINER'].includes(keyword))
    throw wrong(origin, `${keyword} isn't allowed as an ONBUILD trigger`);
  const text = following === '' ? keyword : `${keyword} ${following}`;
  parseInstruction(origin, { line: origin.line, text, keyword, rest: following }, escapeCharacter);
  return text;
}
