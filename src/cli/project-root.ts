import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { internal } from '../base/index.ts';

/** The folder that holds bin/: what the launcher says, else the one above this file that has a package.json. */
export function projectRoot(env: NodeJS.ProcessEnv): string {
  if (env.BERTH_ROOT !== undefined && existsSync(`${env.BERTH_ROOT}/package.json`)) return env.BERTH_ROOT;
  for (let folder = import.meta.dirname; folder !== '/'; folder = dirname(folder)) {
    if (existsSync(`${folder}/package.json`)) return folder;
  }
  throw internal(`no package.json above ${import.meta.dirname}`);
}
