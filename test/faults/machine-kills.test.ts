import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runChecked } from '../../src/base/index.ts';
import { type Instance, startInstance } from '../engine/instance.ts';
import {
  CLONE_POINTS,
  DOWNLOAD_POINTS,
  IMAGE_POINTS,
  MACHINE_IMPORT_POINTS,
  NEW_DISK_POINTS,
} from './operations.ts';
import { expectNothingElse } from './storm.ts';

describe('after a SIGKILL of berthd while a machine is made, the next start has removed what is not whole', () => {
  let folder: string;
  let instance: Instance;
  /** What stands for a file or URL in the commands below. */
  let words: Readonly<Record<string, string>>;
  const cleanup = new AsyncDisposableStack();

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'machine-kills-'));
    cleanup.defer(() => rm(folder, { recursive: true, force: true }));
    instance = cleanup.use(await startInstance());
    const file = await madeImage(folder);
    const { url, server } = await served(file);
    cleanup.defer(() => void server.close());
    const archive = join(folder, 'archive.tar');
    words = { FILE: file, URL: url, ARCHIVE: archive };
    await instance.berthOk(['vm', 'create', '--from', file, '--network', 'none', 'first']);
    await instance.berthOk(['vm', 'export', '-o', archive, 'first']);
    await removeAll(['first']);
  });
  afterAll(() => cleanup.disposeAsync());

  const inWords = (command: readonly string[]) => command.map((word) => words[word] ?? word);
  const machines = async () => (await instance.berthOk(['vm', 'ls', '-aq'])).split('\n').filter(Boolean);

  /** And the images that they stood on. */
  async function removeAll(names: readonly string[]): Promise<void> {
    await instance.berthOk(['vm', 'rm', ...names]);
    await instance.berthOk(['vm', 'prune', '-f']);
    expect(await readdir(`${instance.dataRoot}/vm/images`)).toEqual([]);
  }

  async function killedAt(point: string, command: readonly string[]): Promise<void> {
    await instance.killDaemon();
    await instance.startDaemon({ BERTH_CRASH_AT: point });
    const died = once(instance.daemon, 'exit');
    expect((await instance.berth(inWords(command))).code).not.toBe(0);
    await died;
    await instance.startDaemon();
  }

  const NONE = ['--network', 'none'];
  describe.each([
    {
      what: 'an image from a file',
      command: ['create', '--from', 'FILE', ...NONE, 'one'],
      points: IMAGE_POINTS,
    },
    {
      what: 'a download',
      command: ['create', '--from', 'URL', ...NONE, 'one'],
      points: DOWNLOAD_POINTS,
    },
    {
      what: 'an archive',
      command: ['import', ...NONE, 'ARCHIVE', 'one'],
      points: MACHINE_IMPORT_POINTS,
    },
  ])('$what', ({ command, points }) => {
    it.each(points)('at %s, and then the same command makes it', async (point) => {
      await killedAt(point, ['vm', ...command]);
      await expectNothingElse(instance);
      expect(await machines()).toEqual([]);
      await instance.berthOk(['vm', ...inWords(command)]);
      expect(await machines()).toEqual(['one']);
      await removeAll(['one']);
    });
  });

  it.each(CLONE_POINTS)('a clone at %s, and then the same command makes it', async (point) => {
    await instance.berthOk(['vm', 'create', ...NONE, '--from', words.FILE ?? '', 'one']);
    await killedAt(point, ['vm', 'clone', 'one', 'two']);
    await expectNothingElse(instance);
    expect(await machines()).toEqual(['one']);
    await instance.berthOk(['vm', 'clone', 'one', 'two']);
    await removeAll(['one', 'two']);
  });

  it.each(NEW_DISK_POINTS)('a disk of a machine at %s, and then the same command makes it', async (point) => {
    const command = ['vm', 'set', '--disk', 'data:64m', 'one'];
    await instance.berthOk(['vm', 'create', ...NONE, '--from', words.FILE ?? '', 'one']);
    await killedAt(point, command);
    await expectNothingElse(instance);
    await instance.berthOk(command);
    const disks = await instance.berthOk(['vm', 'inspect', '-f', '{{range .Disks}}{{.Name}} {{end}}', 'one']);
    expect(disks.trim()).toBe('root data');
    await removeAll(['one']);
  });
});

/** A qcow2 image with something in it. */
async function madeImage(folder: string): Promise<string> {
  const path = join(folder, 'image.qcow2');
  await runChecked('qemu-img', ['create', '-q', '-f', 'qcow2', path, '64M']);
  await runChecked('qemu-io', ['-f', 'qcow2', '-c', 'write -P 0xa5 0 4M', path]);
  return path;
}

async function served(path: string) {
  const server = createServer((_, response) => createReadStream(path).pipe(response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const sha256 = createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
  return { server, url: `http://127.0.0.1:${port}/image.qcow2#sha256=${sha256}` };
}
