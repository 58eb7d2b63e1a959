import { link, mkdir, mkdtemp, open, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runChecked } from '../../base/index.ts';
import { measureTree } from './tree-size.ts';

describe('a tree', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'berth-tree-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const du = async (...options: string[]) => {
    const { stdout } = await runChecked('du', ['-s', '-x', ...options, folder]);
    return Number(stdout.toString().split('\t')[0]);
  };

  it('takes what du says: each file once, holes not at all, folders too', async () => {
    await mkdir(join(folder, 'a/b'), { recursive: true });
    await writeFile(join(folder, 'a/file'), 'x'.repeat(10_000));
    await link(join(folder, 'a/file'), join(folder, 'a/b/link'));
    await symlink('/etc/passwd', join(folder, 'symlink'));
    const sparse = await open(join(folder, 'sparse'), 'w');
    await sparse.truncate(100_000_000);
    await sparse.close();
    for (let i = 0; i < 200; i += 1) await writeFile(join(folder, 'a/b', `file-${i}`), 'y');
    const { files, content, allocated } = await measureTree(folder);
    expect(allocated).toBe(await du('--block-size=1'));
    expect(files).toBe(203);
    expect(content).toBe(10_000 + 100_000_000 + 200 + '/etc/passwd'.length);
  });

  it('may be a single file, or nothing', async () => {
    await writeFile(join(folder, 'file'), 'abc');
    expect(await measureTree(join(folder, 'file'))).toMatchObject({ files: 1, content: 3 });
    expect(await measureTree(join(folder, 'nothing'))).toEqual({ files: 0, content: 0, allocated: 0 });
  });

  it('is not measured further once nobody waits for it', async () => {
    await expect(measureTree(folder, AbortSignal.abort())).rejects.toMatchObject({ name: 'AbortError' });
  });
});
