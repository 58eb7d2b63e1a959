// mirror.ts CONFIG URL: makes URL the first of docker.io's mirrors in berthd's configuration file and keeps the rest.
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

const [file = '', url = ''] = process.argv.slice(2);
const config = readConfig(file);
const mirrors = config['registry-mirrors'] ?? [];
if (!Array.isArray(mirrors)) throw new Error(`"registry-mirrors" in ${file} is not a list`);
if (!mirrors.includes(url)) {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(
    `${file}.tmp`,
    `${JSON.stringify({ ...config, 'registry-mirrors': [url, ...mirrors] }, null, 2)}\n`,
  );
  renameSync(`${file}.tmp`, file);
  console.log(`· wrote docker.io's mirror ${url} into ${file}`);
}

function readConfig(path: string): Readonly<Record<string, unknown>> {
  if (!existsSync(path)) return {};
  const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Error(`${path} holds no JSON object`);
  }
  return { ...value };
}
