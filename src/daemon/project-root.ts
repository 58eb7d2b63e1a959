import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { internal } from '../base/index.ts';

/** The folder that holds package.json and native/, whether this runs from src/ or from a bundle in dist/. */
export function projectRoot(): string {
  for (let folder = import.meta.dirname; folder !== '/'; folder = dirname(folder)) {
    if (existsSync(`${folder}/package.json`)) return folder;
  }
  throw internal(`no package.json above ${import.meta.dirname}`);
}
