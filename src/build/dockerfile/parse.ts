import { type BerthError, invalid, notImplemented } from '../../base/index.ts';
import type {
  ArgDeclaration,
  CommandForm,
  Dockerfile,
  Instruction,
  Origin,
  Pair,
  Stage,
} from './instructions.ts';
import { readInstructions, type SourceInstruction } from './source-lines.ts';
import { splitWords } from './words.ts';

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
    const parsed = parseInstruction(origin, source);
    const stage = stages.at(-1);
    if (stage !== undefined) stage.instructions.push(parsed);
    else if (parsed.kind === 'arg') globalArgs.push(...parsed.declarations);
    else throw wrong(origin, 'no build stage in current context: only ARG may stand before FROM');
  }
  if (stages.length === 0)
    throw invalid(`${file}: the Dockerfile has no FROM: it is empty, or has only comments and ARGs`);
  return { escapeCharacter, globalArgs, stages };
}

/** An `invalid` error that says where. */
export function wrong({ file, line }: Origin, message: string, hint?: string): BerthError {
  return invalid(`${file}:${line}: ${message} (line ${line})`, hint === undefined ? {} : { hint });
}

function parseFrom(origin: Origin, rest: string): Pick<Stage, 'base' | 'platform' | 'name'> {
  const { flags, text } = takeFlags(origin, rest, ['platform']);
  const [base, as, name, ...more] = text.split(/\s+/);
  const isForm =
    base !== undefined &&
    base !== '' &&
    more.length === 0 &&
    (as === undefined || (as.toUpperCase() === 'AS' && name !== undefined));
  if (!isForm) throw wrong(origin, 'FROM requires either one argument, or three: FROM <image> [AS <name>]');
  if (name !== undefined && !/^[a-z][a-z0-9-_.]*$/i.test(name))
    throw wrong(origin, `invalid name for build stage: "${name}"`);
  return { base, platform: flags.get('platform'), name: name?.toLowerCase() };
}

function parseInstruction(origin: Origin, { keyword, rest }: SourceInstruction): Instruction {
  if (rest === '' && KEYWORDS.includes(keyword))
    throw wrong(origin, `${keyword} requires at least one argument`);
  switch (keyword) {
    case 'RUN': {
      const { text } = takeFlags(origin, rest, []);
      return { ...origin, kind: 'run', command: commandForm(text) };
    }
    case 'COPY':
    case 'ADD':
      return { ...origin, ...parseCopy(origin, keyword, rest) };
    case 'ENV':
      return { ...origin, kind: 'env', pairs: parsePairs(origin, 'ENV', rest) };
    case 'LABEL':
      return { ...origin, kind: 'label', pairs: parsePairs(origin, 'LABEL', rest) };
    case 'ARG':
      return { ...origin, kind: 'arg', declarations: splitWords(rest).map((word) => parseArg(origin, word)) };
    case 'WORKDIR':
      return { ...origin, kind: 'workdir', path: rest };
    case 'USER':
      return { ...origin, kind: 'user', user: rest };
    case 'EXPOSE':
      return { ...origin, kind: 'expose', ports: rest };
    case 'VOLUME':
      return { ...origin, kind: 'volume', paths: commandForm(rest) };
    case 'CMD':
      return { ...origin, kind: 'cmd', command: commandForm(rest) };
    case 'ENTRYPOINT':
      return { ...origin, kind: 'entrypoint', command: commandForm(rest) };
    case 'SHELL': {
      const command = commandForm(rest);
      if (command.form !== 'exec') throw wrong(origin, 'SHELL requires the arguments to be in JSON form');
      return { ...origin, kind: 'shell', args: command.args };
    }
    case 'STOPSIGNAL':
      return { ...origin, kind: 'stopsignal', signal: rest };
    case 'MAINTAINER':
      return { ...origin, kind: 'maintainer', name: rest };
    case 'HEALTHCHECK':
    case 'ONBUILD':
      throw notImplemented(`${origin.file}:${origin.line}: the instruction ${keyword} is not there yet`);
    default:
      throw unknownInstruction(origin, keyword);
  }
}

function parseCopy(origin: Origin, keyword: 'COPY' | 'ADD', rest: string) {
  const known = keyword === 'COPY' ? ['from', 'chown', 'chmod'] : ['chown', 'chmod'];
  const { flags, text } = takeFlags(origin, rest, known);
  const form = commandForm(text);
  const words = form.form === 'exec' ? [...form.args] : splitWords(text);
  const destination = words.pop();
  if (destination === undefined || words.length === 0) {
    throw wrong(
      origin,
      `${keyword} requires at least two arguments, but only one was provided. Destination could not be determined`,
    );
  }
  const remote = words.find((source) => /^(https?|git|ssh):\/\/|^git@/.test(source));
  if (remote !== undefined && flags.get('from') === undefined) {
    if (keyword === 'COPY') throw wrong(origin, `source can't be a URL for COPY: ${remote}`);
    throw notImplemented(`${origin.file}:${origin.line}: ADD of a URL is not there yet: ${remote}`, {
      hint: 'Fetch it in a RUN step',
    });
  }
  return {
    kind: 'copy',
    unpack: keyword === 'ADD',
    sources: words,
    destination,
    from: flags.get('from'),
    owner: flags.get('chown'),
    mode: flags.get('chmod'),
  } as const;
}

/** Takes `--name=value` from the front; refuses, by name, those that are not in `known`. */
function takeFlags(origin: Origin, rest: string, known: readonly string[]) {
  const flags = new Map<string, string>();
  let text = rest;
  for (;;) {
    const [whole, name, value] = /^--([a-z-]+)(?:=(\S*))?\s*/.exec(text) ?? [];
    if (whole === undefined || name === undefined) return { flags, text };
    if (!known.includes(name)) {
      throw notImplemented(`${origin.file}:${origin.line}: the flag --${name} is not there yet`);
    }
    flags.set(name, value ?? '');
    text = text.slice(whole.length);
  }
}

/** A JSON list of strings is the exec form; everything else, broken JSON too, is the shell form (as in Docker). */
function commandForm(text: string): CommandForm {
  if (text.startsWith('[')) {
    try {
      const args: unknown = JSON.parse(text);
      if (Array.isArray(args) && args.every((arg) => typeof arg === 'string')) return { form: 'exec', args };
    } catch {
      // no JSON: the shell form
    }
  }
  return { form: 'shell', text };
}

/** `NAME=value …`, or the old form `NAME value` with everything after the blank as the value. */
function parsePairs(origin: Origin, keyword: string, rest: string): Pair[] {
  const words = splitWords(rest);
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

function unknownInstruction(origin: Origin, keyword: string): BerthError {
  const [nearest] = KEYWORDS.map((known) => ({ known, distance: editDistance(keyword, known) }))
    .filter(({ known, distance }) => distance <= Math.max(1, Math.floor(known.length / 3)))
    .sort((a, b) => a.distance - b.distance);
  const hint = nearest === undefined ? `Known: ${KEYWORDS.join(', ')}` : `Did you mean ${nearest.known}?`;
  return wrong(origin, `unknown instruction: ${keyword}`, hint);
}

/** Levenshtein's distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const substituted = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substituted, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
