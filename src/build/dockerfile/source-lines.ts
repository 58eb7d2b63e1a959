import { invalid } from '../../base/index.ts';

/** One instruction with its continuation lines joined. */
export interface SourceInstruction {
  /** The line that it begins on, from 1. */
  readonly line: number;
  /** Keyword and rest in one line. */
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
    instructions.push(splitKeyword(at + 1, text));
    at = next;
  }
  return { escapeCharacter, instructions };
}

const isBlankOrComment = (line: string) => /^\s*(#|$)/.test(line);

/**
 * Directives stand before everything else; the first line that is none, an unknown one too, ends them (Dockerfile
 * reference, "Parser directives").
 */
function escapeDirective(file: string, lines: readonly string[]): '\\' | '`' {
  for (const [index, line] of lines.entries()) {
    const [, name = '', value] = /^\s*#\s*([a-zA-Z]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (!['syntax', 'check', 'escape'].includes(name.toLowerCase())) break;
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
  // An escaped escape character at a line's end continues nothing.
  const continued = escapeCharacter === '\\' ? /(?<!\\)\\[ \t]*$/ : /(?<!`)`[ \t]*$/;
  const parts: string[] = [];
  let at = first;
  for (; at < lines.length; at += 1) {
    const line = lines[at] ?? '';
    // Comments and blank lines inside a continued instruction are left out, as in Docker.
    if (at > first && isBlankOrComment(line)) continue;
    parts.push(at === first ? line.trimStart().replace(continued, '') : line.replace(continued, ''));
    if (!continued.test(line)) return { text: parts.join(''), next: at + 1 };
  }
  return { text: parts.join(''), next: at };
}

function splitKeyword(line: number, text: string): SourceInstruction {
  const [, written = '', following = ''] = /^(\S+)\s*([\s\S]*)$/.exec(text) ?? [];
  const keyword = written.toUpperCase();
  const rest = following.trim();
  return { line, text: rest === '' ? keyword : `${keyword} ${rest}`, keyword, rest };
}

/** The line on which the instruction ends that begins on this one; both count from 1. */
export function lastLineOf(content: string, line: number): number {
  const lines = content.replace(/^\uFEFF/, '').split(/\r?\n/);
  return joinContinued(lines, line - 1, escapeDirective('', lines)).next;
}
