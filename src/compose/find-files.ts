import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { errorMessage, notFound, systemErrorCode } from '../base/index.ts';
import { parseEnvFile } from './env-file.ts';

/** What the caller says about where a project is. */
export interface ProjectLocation {
  /** From -f; empty: COMPOSE_FILE, or looked for in the folder and those above it. "-" is standard input. */
  readonly files: readonly string[];
  readonly projectDirectory: string | undefined;
  /** From --env-file; without it `.env` in the project's folder. */
  readonly envFiles?: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Where a project is. */
export interface FoundProject {
  /** Absolute paths, or "-". */
  readonly files: readonly string[];
  /** What relative paths of the files start from. */
  readonly directory: string;
  /** The caller's environment over what the .env files say. */
  readonly variables: Readonly<Record<string, string | undefined>>;
}

const FILE_NAMES = ['compose.yaml', 'compose.yml', 'docker-compose.yaml', 'docker-compose.yml'];

/** Finds a project's files, folder and variables. Throws `not-found` with what was looked for. */
export function findProject(location: ProjectLocation): FoundProject {
  const { cwd, env } = location;
  const start = resolve(cwd, location.projectDirectory ?? '.');
  // COMPOSE_FILE may stand in the .env of the folder that is searched first.
  const early = { ...readEnvFiles(location, start), ...env };
  const files = chosenFiles(location, early) ?? searchUpwards(start);
  const [first = '-'] = files;
  const directory = location.projectDirectory === undefined && first !== '-' ? dirname(first) : start;
  return { files, directory, variables: { ...readEnvFiles(location, directory), ...env } };
}

/** The text of one of the project's files. Throws `not-found`. */
export function readProjectFile(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    throw unreadable(file, error);
  }
}

function chosenFiles(
  { files, cwd }: ProjectLocation,
  variables: Readonly<Record<string, string | undefined>>,
): string[] | undefined {
  const separator = variables.COMPOSE_PATH_SEPARATOR ?? ':';
  const fromVariable = (variables.COMPOSE_FILE ?? '').split(separator).filter((file) => file !== '');
  const chosen = files.length > 0 ? files : fromVariable;
  return chosen.length === 0 ? undefined : chosen.map((file) => (file === '-' ? file : resolve(cwd, file)));
}

function searchUpwards(start: string): string[] {
  for (let folder = start; ; folder = dirname(folder)) {
    const found = FILE_NAMES.map((name) => join(folder, name)).find((path) => existsSync(path));
    if (found !== undefined) return [found, ...overrideOf(found)];
    if (folder === dirname(folder)) break;
  }
  throw notFound('no configuration file provided: not found', {
    hint: `Name one with -f, or go to a folder with ${FILE_NAMES.join(', ')}`,
  });
}

/** `compose.override.yaml` beside `compose.yaml`, whichever way YAML is spelled. */
function overrideOf(file: string): string[] {
  const stem = file.replace(/\.ya?ml$/, '');
  return [`${stem}.override.yml`, `${stem}.override.yaml`].filter((path) => existsSync(path)).slice(0, 1);
}

function readEnvFiles({ envFiles = [], cwd }: ProjectLocation, directory: string): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const file of envFiles) Object.assign(variables, readEnv(resolve(cwd, file)));
  const usual = join(directory, '.env');
  return envFiles.length === 0 && existsSync(usual) ? readEnv(usual) : variables;
}

function readEnv(path: string): Record<string, string> {
  try {
    return Object.fromEntries(parseEnvFile(readFileSync(path, 'utf8')));
  } catch (error) {
    throw unreadable(path, error);
  }
}

function unreadable(file: string, error: unknown) {
  const reason = systemErrorCode(error) === 'ENOENT' ? 'no such file or directory' : errorMessage(error);
  return notFound(`open ${file}: ${reason}`, { cause: error });
}
