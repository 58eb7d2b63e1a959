import { once } from 'node:events';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runChecked } from '../../src/base/index.ts';
import { type Instance, startInstance } from '../engine/instance.ts';
import { compareWithRecords, NO_DIFFERENCES } from './data-root.ts';
import { type Disk, type FileSystem, makeDisk } from './disk.ts';

const DISKS: readonly (readonly [FileSystem, 'erofs' | 'folder'])[] = [
  ['ext4', 'erofs'],
  ['btrfs', 'erofs'],
  ['btrfs', 'folder'],
];

describe.each(DISKS)(
  'after a loss of power on %s, with layers as %s, what was acknowledged is there and whole:',
  (fileSystem, format) => {
    let disk: Disk;
    let context: string;
    let instance: Instance;
    beforeAll(async () => {
      disk = await makeDisk(fileSystem);
      await mkdir(`${disk.path}/data`);
      instance = await startInstance({
        dataRoot: `${disk.path}/data`,
        args: ['--layer-format', format],
      });
      context = `${instance.execRoot}/context`;
      await mkdir(context);
      await writeFile(`${context}/Dockerfile`, 'FROM busybox\nRUN echo built > /built\nCOPY Dockerfile /\n');
    });
    afterAll(async () => {
      await instance[Symbol.asyncDispose]();
      await disk[Symbol.asyncDispose]();
    });

    /** Everything before is durable; `acknowledged` ends, and that very moment the power goes. */
    async function losePowerAfter(...acknowledged: string[]): Promise<void> {
      await runChecked('sync', ['--file-system', disk.path]);
      const unsynced = `${disk.path}/unsynced`;
      await instance.berthOk(acknowledged);
      await writeFile(unsynced, 'not synced');
      await instance.killDaemon();
      await killLauncher(instance);
      await disk.cutPower();
      expect(await readFile(unsynced, 'utf8').catch(() => '')).toBe(''); // the power is really cut
      await rm(unsynced, { force: true });
      await instance.startDaemon();
      expect(await compareWithRecords(instance.dataRoot)).toEqual(NO_DIFFERENCES);
      expect(await instance.berthOk(['system', 'check'])).toContain('no damage');
    }

    it('a pull', async () => {
      await losePowerAfter('pull', '-q', 'busybox');
      expect(await instance.berthOk(['run', '--rm', 'busybox', 'echo', 'whole'])).toBe('whole');
    });

    it('a build', async () => {
      await losePowerAfter('build', '-q', '-t', 'built', context);
      expect(await instance.berthOk(['run', '--rm', 'built', 'cat', '/built'])).toBe('built');
    });

    it('a commit', async () => {
      await instance.berthOk(['run', '--name', 'changed', 'busybox', 'sh', '-c', 'echo committed > /new']);
      await losePowerAfter('commit', 'changed', 'committed');
      expect(await instance.berthOk(['run', '--rm', 'committed', 'cat', '/new'])).toBe('committed');
      expect(await instance.berthOk(['ps', '-aq', '--no-trunc'])).toMatch(/^[0-9a-f]{64}$/);
    });

    it('a load', async () => {
      const archive = `${context}/archive.tar`;
      await instance.berthOk(['save', '-o', archive, 'built']);
      await instance.berthOk(['rmi', 'built']);
      await losePowerAfter('load', '-q', '-i', archive);
      expect(await instance.berthOk(['run', '--rm', 'built', 'cat', '/built'])).toBe('built');
    });

    it('an rmi, of which nothing comes back', async () => {
      await losePowerAfter('rmi', 'built');
      expect(await instance.berthOk(['images', '-q', 'built'])).toBe('');
    });
  },
);

/** It holds the layers' mounts; its connections close when it has ended. */
async function killLauncher({ execRoot }: Instance): Promise<void> {
  const socket = connect(`${execRoot}/l.sock`);
  await once(socket, 'connect');
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  socket.once('close', () => resolve());
  socket.on('error', () => {}); // a reset, as the launcher just ends; the close follows
  socket.resume();
  process.kill(Number(await readFile(`${execRoot}/l.pid`, 'utf8')), 'SIGKILL');
  await closed;
}
