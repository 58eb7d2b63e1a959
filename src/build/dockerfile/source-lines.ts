import { invalid } from '../../base/index.ts';

/** One instruction with its continuation lines joined. */
export interface SourceInstruction {
  /** The line that it begins on, from 1. */
  readonly line: number;
  /** As written, joined into one line. */
  readonly text: string;
  /** Upper case. */
  readonly keyword: string;
  /** What follows the keyword. */
  readonly rest: string;
}

export interface SourceFile {
  readonly escapeCharacter: '\\' | '`';
  readonly instructions: readonly SourceInstruction[];
}

/**
 * Splits a Dockerfile into instructions: parser directives at its top, comments anywhere between lines (also inside a
 * continued instruction), and continuation lines. Throws `invalid` with file and line.
 */
export function readInstructions(file: string, content: string): SourceFile {
  const lines = content.replace(/^\uFEFF/, '').split(/\r?\n/);
  const escapeCharacter = escapeDirective(file, lines);
  const instructions: SourceInstruction[] = [];
  for (let at = 0; at < lines.length; ) {
    if (isBlankOrComment(lines[at] ?? '')) {
      at += 1;
      continue;
    }
    const { text, next } = joinContinued(lines, at, escapeCharacter);
    instructions.push(splitKeyword(file, at + 1, text));
    at = next;
  }
  return { escapeCharacter, instructions };
}

const isBlankOrComment = (line: string) => /^\s*(#|$)/.test(line);

/** Directives stand before everything else, comments included (Dockerfile reference, "Parser directives"). */
function escapeDirective(file: string, lines: readonly string[]): '\\' | '`' {
  for (const [index, line] of lines.entries()) {
    const [, name, value] = /^\s*#\s*([a-zA-Z]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (name === undefined) break;
    if (name.toLowerCase() !== 'escape') continue;
    if (value !== '\\' && value !== '`') {
      throw invalid(`${file}:${index + 1}: invalid ESCAPE '${value}': it must be \\ or \``);
    }
    return value;
  }
  return '\\';
}

function joinContinued(
  lines: readonly string[],
  first: number,
  escapeCharacter: string,
): { text: string; next: number } {
  const continued = escapeCharacter === '\\' ? /\\[ \t]*$/ : /`[ \t]*$/;
  const parts: string[] = [];
  let at = first;
  for (; at < lines.length; at += 1) {
    const line = lines[at] ?? '';
    // Comments and blank lines inside a continued instruction are left out, as in Docker.
    if (at > first && isBlankOrComment(line)) continue;
    parts.push(at === first ? line.trimStart().replace(continued, '') : line.replace(continued, ''));
    if (!continued.test(line)) return { text: parts.join('').trimEnd(), next: at + 1 };
  }
  return { text: parts.join('').trimEnd(), next: at };
}

function splitKeyword(file: string, line: number, text: string): SourceInstruction {
  const [, keyword = '', rest = ''] = /^(\S+)\s*([\s\S]*)$/.exec(text) ?? [];
  if (/<<-?["']?\w/.test(rest) && ['RUN', 'COPY', 'ADD'].includes(keyword.toUpperCase())) {
    throw invalid(`${file}:${line}: here-documents are not there yet`, {
      hint: 'Join the commands with && and continuation lines',
    });
  }
  return { line, text, keyword: keyword.toUpperCase(), rest: rest.trim() };
}
