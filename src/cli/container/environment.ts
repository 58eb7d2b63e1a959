import { readFile } from 'node:fs/promises';
import { invalid, systemErrorCode } from '../../base/index.ts';
import { splitPair } from '../filters.ts';

/**
 * The environment of `--env-file` files and `-e` options, in this order. `-e NAME` takes our own value; one that we do not have
 * is sent as the bare name, which removes it from the image's environment.
 */
export async function readEnvironment(
  files: readonly string[],
  options: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<string[]> {
  const fromFiles = await Promise.all(files.map((file) => readPairsFile(file, env)));
  return [...fromFiles.flat(), ...options.map((option) => withValue(option, env))];
}

/** The `KEY=value` lines of a file; a bare `KEY` takes our own value, or is left out. Lines with "#" are comments. */
export async function readPairsFile(path: string, env: NodeJS.ProcessEnv): Promise<string[]> {
  const lines = (await readText(path)).replace(/^\uFEFF/, '').split(/\r?\n/);
  const pairs: string[] = [];
  for (const [index, raw] of lines.entries()) {
    const line = raw.trimStart();
    if (line === '' || line.startsWith('#')) continue;
    const [name, value] = splitPair(line);
    if (name === '' || /\s/.test(value === undefined ? name.trim() : name)) {
      throw invalid(`${path}, line ${index + 1}: the variable name "${name}" is empty or has blanks`);
    }
    if (value !== undefined) pairs.push(line);
    else if (env[name.trim()] !== undefined) pairs.push(`${name.trim()}=${env[name.trim()]}`);
  }
  return pairs;
}

function withValue(option: string, env: NodeJS.ProcessEnv): string {
  const [name, value] = splitPair(option);
  if (name === '') throw invalid(`invalid environment variable: ${option}`);
  return value === undefined && env[name] !== undefined ? `${name}=${env[name]}` : option;
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    if (systemErrorCode(cause) === 'ENOENT')
      throw invalid(`open ${path}: no such file or directory`, { cause });
    throw cause;
  }
}
