import { chmod, chown, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Instance } from '../engine/instance.ts';
import { startMachines } from './machines.ts';
import { expectReadableWithoutName, expectShared } from './shared-folder.ts';

describe('the files of a virtual machine', () => {
  let instance: Instance;
  let folder: string;
  beforeAll(async () => {
    instance = await startMachines();
    folder = await mkdtemp('/tmp/berth-files-');
    await writeFile(`${folder}/single`, 'one file\n');
    await instance.berthOk([
      ...['run', '-d', '--name', 'vm', '--isolation', 'vm', '-v', 'data:/data', '-v', `${folder}:/bound`],
      ...[
        '-v',
        `${folder}/single:/single:ro`,
        '--tmpfs',
        '/scratch:size=1m,mode=1700',
        'busybox',
        'sleep',
        '1000',
      ],
    ]);
  });
  afterAll(async () => {
    await instance[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  const inside = (script: string) => instance.berthOk(['exec', 'vm', 'sh', '-c', script]);

  it('are shared by bind mounts and volumes, both ways, with owners and modes', async () => {
    await expectShared(instance, folder);
  });

  it('are seen as the host changes them, at once', async () => {
    const seen = async () =>
      inside('cd /bound; cat changing 2>&1; stat -c "%a %s %u" changing 2>&1; ls other 2>&1 || true');
    await writeFile(`${folder}/changing`, 'short\n', { mode: 0o644 });
    expect(await seen()).toMatch(/^short\n644 6 0\n/);
    await writeFile(`${folder}/changing`, 'much longer\n');
    await chmod(`${folder}/changing`, 0o600);
    await chown(`${folder}/changing`, 5, 5);
    expect(await seen()).toMatch(/^much longer\n600 12 5\n/);
    await rename(`${folder}/changing`, `${folder}/other`);
    expect(await seen()).toMatch(/No such file.*No such file.*\nother$/s);
    await rm(`${folder}/other`);
    expect(await seen()).not.toMatch(/\nother$/);
  });

  it('stay readable for who has them open when they have lost their names', async () => {
    await expectReadableWithoutName(instance);
  });

  it('may be single, and read-only', async () => {
    expect(await inside('cat /single; echo x >/single || echo refused')).toContain('one file');
    expect(await inside('echo x 2>/dev/null >/single || echo refused')).toBe('refused');
    expect(await readFile(`${folder}/single`, 'utf8')).toBe('one file\n');
  });

  it('may be on a tmpfs with its options', async () => {
    expect(await inside('grep " /scratch " /proc/mounts; stat -c %a /scratch')).toMatch(
      /tmpfs \/scratch tmpfs (?=\S*noexec)(?=\S*size=1024k)\S+ 0 0\n1700$/,
    );
  });

  it('are copied in and out while it runs', async () => {
    await writeFile(`${folder}/copied`, 'to the guest\n');
    await instance.berthOk(['cp', `${folder}/copied`, 'vm:/etc/copied']);
    expect(await inside('cat /etc/copied')).toBe('to the guest');
    await inside('echo back >/etc/back');
    await instance.berthOk(['cp', 'vm:/etc/back', `${folder}/back`]);
    expect(await readFile(`${folder}/back`, 'utf8')).toBe('back\n');
  });

  it('are copied, compared, exported and committed while it does not run, and found at its start', async () => {
    const script = 'echo left >/etc/left; rm /etc/group; test ! -e /etc/given || cat /etc/given';
    await instance.berthOk(['create', '--name', 'off', '--isolation', 'vm', 'busybox', 'sh', '-c', script]);
    await writeFile(`${folder}/given`, 'given before\n', { mode: 0o640 });
    await instance.berthOk(['cp', `${folder}/given`, 'off:/etc/given']);
    expect(await instance.berthOk(['start', '-a', 'off'])).toBe('given before');
    await instance.berthOk(['cp', 'off:/etc/left', `${folder}/left`]);
    expect(await readFile(`${folder}/left`, 'utf8')).toBe('left\n');
    const diff = (await instance.berthOk(['diff', 'off'])).split('\n');
    expect(diff).toEqual(['C /etc', 'A /etc/given', 'D /etc/group', 'A /etc/left']);
    await instance.berthOk(['export', '-o', `${folder}/off.tar`, 'off']);
    expect((await readFile(`${folder}/off.tar`)).includes('given before')).toBe(true);
    await instance.berthOk(['commit', 'off', 'of-stopped']);
    const seen = await instance.berthOk([
      ...[
        'run',
        '--rm',
        'of-stopped',
        'sh',
        '-c',
        'stat -c %a /etc/given; cat /etc/left; ls /etc/group 2>&1 || true',
      ],
    ]);
    expect(seen).toContain('640');
    expect(seen).toContain('left');
    expect(seen).toContain('No such file');
    await instance.berthOk(['rm', 'off']);
  });

  it('are compared with the image, exported, and committed to another image', async () => {
    await inside('echo changed >/etc/passwd; rm /etc/group; mkdir /new');
    const diff = (await instance.berthOk(['diff', 'vm'])).split('\n');
    expect(diff).toEqual(expect.arrayContaining(['C /etc/passwd', 'D /etc/group', 'A /new']));
    expect(diff.filter((line) => / \/(bound|data|scratch)\/./.test(line))).toEqual([]);
    await instance.berthOk(['commit', 'vm', 'committed']);
    expect(await instance.berthOk(['run', '--rm', 'committed', 'cat', '/etc/passwd'])).toBe('changed');
    const archive = `${folder}/export.tar`;
    await instance.berthOk(['export', '-o', archive, 'vm']);
    expect((await readFile(archive)).includes('changed')).toBe(true);
  });

  it('stay on its disk over a stop and a start', async () => {
    await inside('echo kept >/kept');
    await instance.berthOk(['restart', '-t', '1', 'vm']);
    expect(await inside('cat /kept')).toBe('kept');
  });
});
