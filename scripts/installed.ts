// Exits with 0 when node_modules holds exactly what package-lock.json asks for (as after `npm install NAME`),
// so that set-up does not throw it away and fetch it again.
import { readFileSync } from 'node:fs';

interface Lock {
  readonly packages: Readonly<Record<string, { readonly version?: string; readonly optional?: boolean }>>;
}

function readLock(path: string): Lock {
  return JSON.parse(readFileSync(path, 'utf8'));
}

const wanted = readLock('package-lock.json').packages;
const there = readLock('node_modules/.package-lock.json').packages;
const same = Object.entries(wanted).every(
  ([path, entry]) =>
    path === '' || there[path]?.version === entry.version || (entry.optional && there[path] === undefined),
);
process.exitCode = same ? 0 : 1;
