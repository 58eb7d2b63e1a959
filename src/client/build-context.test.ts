import { chmod, mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { extract, type Header } from 'tar-stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openBuildContext, openDockerfileContext } from './index.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'berth-context-'));
});

afterEach(() => rm(folder, { recursive: true }));

async function put(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
}

async function entriesOf(tar: Readable): Promise<Map<string, { header: Header; text: string }>> {
  const entries = new Map<string, { header: Header; text: string }>();
  for await (const entry of tar.pipe(extract())) {
    const chunks = await Array.fromAsync(entry as AsyncIterable<Buffer>);
    const { header } = entry;
    entries.set(header.name.replace(/\/$/, ''), { header, text: Buffer.concat(chunks).toString() });
  }
  return entries;
}

async function namesIn(dockerfile = 'Dockerfile'): Promise<string[]> {
  return [...(await entriesOf(await openBuildContext(folder, { dockerfile }))).keys()];
}

test('sends files, folders and links with their modes and times, owned by root', async () => {
  await put({ Dockerfile: 'FROM x', 'sub/run.sh': 'echo', empty: '' });
  await symlink('sub/run.sh', join(folder, 'link'));
  await chmod(join(folder, 'sub/run.sh'), 0o755);
  await utimes(join(folder, 'sub/run.sh'), 1000, 1000);
  const entries = await entriesOf(await openBuildContext(folder, { dockerfile: 'Dockerfile' }));
  expect([...entries.keys()]).toEqual(['Dockerfile', 'empty', 'link', 'sub', 'sub/run.sh']);
  expect(entries.get('sub/run.sh')).toMatchObject({
    header: { mode: 0o755, mtime: new Date(1_000_000), uid: 0, gid: 0 },
    text: 'echo',
  });
  expect(entries.get('link')?.header).toMatchObject({ type: 'symlink', linkname: 'sub/run.sh' });
  expect(entries.get('sub')?.header.type).toBe('directory');
});

test('leaves out what .dockerignore names, but for its exceptions and the Dockerfile', async () => {
  await put({
    '.dockerignore': '# secrets\nsecret/*\n!secret/keep\nDockerfile\n**/*.log\n',
    Dockerfile: 'FROM x',
    'secret/key': 'k',
    'secret/keep': 'k',
    'a/b/c.log': 'l',
    'a/b/c.txt': 't',
  });
  expect(await namesIn()).toEqual([
    '.dockerignore',
    'Dockerfile',
    'a',
    'a/b',
    'a/b/c.txt',
    'secret',
    'secret/keep',
  ]);
});

test("prefers a Dockerfile's own .dockerignore", async () => {
  await put({
    '.dockerignore': 'b',
    'build/D.dockerignore': 'a',
    'build/D': 'FROM x',
    a: '',
    b: '',
  });
  expect(await namesIn('build/D')).toEqual([
    '.dockerignore',
    'b',
    'build',
    'build/D',
    'build/D.dockerignore',
  ]);
});

test('sends a Dockerfile from elsewhere by the name it is given', async () => {
  await put({ a: 'x' });
  const dockerfileSource = { text: 'FROM y' };
  const entries = await entriesOf(
    await openBuildContext(folder, { dockerfile: '.dockerfile.1', dockerfileSource }),
  );
  expect(entries.get('.dockerfile.1')?.text).toBe('FROM y');
});

test('says which Dockerfile is missing before anything is sent', async () => {
  await put({ a: 'x' });
  await expect(openBuildContext(folder, { dockerfile: 'Dockerfile' })).rejects.toMatchObject({
    kind: 'not-found',
    message: 'failed to read dockerfile: open Dockerfile: no such file or directory',
  });
});

test('says that a context is missing or no folder', async () => {
  await put({ a: 'x' });
  const options = { dockerfile: 'Dockerfile' };
  await expect(openBuildContext(join(folder, 'nope'), options)).rejects.toThrow(/path ".*nope" not found/);
  await expect(openBuildContext(join(folder, 'a'), options)).rejects.toThrow(/is not a directory/);
});

test('makes a context of a Dockerfile alone', async () => {
  const entries = await entriesOf(await openDockerfileContext('FROM x'));
  expect([...entries].map(([name, { text }]) => [name, text])).toEqual([['Dockerfile', 'FROM x']]);
});
