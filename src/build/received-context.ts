import dockerignore from '@balena/dockerignore';
import { invalid } from '../base/index.ts';
import type { BuildContext } from './context.ts';
import { cleanPath } from './context-entry.ts';
import type { Dockerfile } from './dockerfile/instructions.ts';
import { parseDockerfile } from './dockerfile/parse.ts';

const IGNORE_FILE = '.dockerignore';

/**
 * Reads the Dockerfile and .dockerignore of a context. Clients leave out what .dockerignore excludes, but have to send
 * these two: they are dropped here when they are excluded, as in Docker.
 */
export async function readBuildFiles(
  context: BuildContext,
  dockerfilePath: string,
): Promise<{ dockerfile: Dockerfile; ignored: (path: string) => boolean }> {
  const path = findDockerfile(context, dockerfilePath);
  const entry = context.follow(path);
  if (entry?.type !== 'file') {
    throw invalid(`Cannot locate specified Dockerfile: ${dockerfilePath}`, {
      hint: 'Name it with -f, relative to the context folder',
    });
  }
  const dockerfile = parseDockerfile(dockerfilePath, (await context.read(entry)).toString());
  const ignored = await ignoreTest(context);
  for (const name of [IGNORE_FILE, path]) if (ignored(name)) context.drop(name);
  return { dockerfile, ignored };
}

/** The usual name may also be written in lower case. */
function findDockerfile(context: BuildContext, path: string): string {
  const clean = cleanPath(path);
  return clean === 'Dockerfile' && context.get(clean) === undefined ? 'dockerfile' : clean;
}

async function ignoreTest(context: BuildContext): Promise<(path: string) => boolean> {
  const entry = context.get(IGNORE_FILE);
  if (entry?.type !== 'file') return () => false;
  const rules = dockerignore.default().add((await context.read(entry)).toString());
  return (path) => path !== '' && rules.ignores(path);
}
