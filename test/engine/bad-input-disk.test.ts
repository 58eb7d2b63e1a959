import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, rmdir, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runChecked } from '../../src/base/index.ts';
import { blobsOf, layout, makeImage, tar } from '../fixtures/image-archives.ts';
import { type Instance, startInstance } from './instance.ts';
import { tracesOf } from './traces.ts';

const HINT = 'no space left on device. Free space on the file system of the data root, then try again';

describe('a full disk (needs root, for a tmpfs of 24 MiB)', () => {
  let disk: string;
  let context: string;
  let instance: Instance;
  beforeAll(async () => {
    disk = await mkdtemp('/tmp/berth-disk-');
    context = await mkdtemp('/tmp/berth-context-');
    await runChecked('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', disk]);
    instance = await startInstance({ dataRoot: `${disk}/data` });
    await instance.berthOk(['pull', '-q', 'busybox']);
    await instance.berthOk(['run', '--rm', 'busybox', 'true']);
  });
  afterAll(async () => {
    await instance[Symbol.asyncDispose]();
    await runChecked('umount', [disk]);
    await rmdir(disk);
    await rm(context, { recursive: true });
  });

  const fillDisk = async () => {
    await using filled = new AsyncDisposableStack();
    filled.defer(() => rm(`${disk}/filler`));
    await writeFile(`${disk}/filler`, Buffer.alloc(32 << 20)).catch((error: NodeJS.ErrnoException) => {
      expect(error.code).toBe('ENOSPC');
    });
    return filled.move();
  };
  const expectUsable = async () => {
    expect(await instance.berthOk(['run', '--rm', 'busybox', 'echo', 'works'])).toBe('works');
  };

  it('ends a pull, which frees what it took', async () => {
    const before = await tracesOf(instance);
    const { code, stderr } = await instance.berth(['pull', 'python:3.8']);
    expect([code, stderr.trim()]).toEqual([1, HINT]);
    expect(await tracesOf(instance)).toEqual(before);
    await expectUsable();
  });

  it('ends a build whose RUN fills it, which frees what it took', async () => {
    await writeFile(`${context}/Dockerfile`, 'FROM busybox\nRUN cat /dev/zero > /big\n');
    const before = await tracesOf(instance);
    const { code, stderr } = await instance.berth(['build', context]);
    expect(code).toBe(1);
    expect(stderr).toContain('returned a non-zero code: 1 (Dockerfile:2: RUN cat /dev/zero > /big)');
    expect(stderr).toContain('The file system of the data root is full');
    expect(await tracesOf(instance)).toEqual(before);
    await expectUsable();
  });

  it('ends a build whose context does not fit, which frees what it took', async () => {
    const large = await mkdtemp(`${context}/large-`);
    await writeFile(`${large}/Dockerfile`, 'FROM busybox\nCOPY big /\n');
    await writeFile(`${large}/big`, Buffer.alloc(32 << 20, 'x'));
    const before = await tracesOf(instance);
    const { code, stderr } = await instance.berth(['build', large]);
    expect([code, stderr.trim()]).toEqual([1, `Error response from daemon: ${HINT}`]);
    expect(await tracesOf(instance)).toEqual(before);
    await expectUsable();
  });

  it('takes lines from a log, but no end from a container: its exit code is told and kept', async () => {
    const script = 'read go; seq 1 300000; exit 7';
    await instance.berthOk(['run', '-d', '-i', '--name', 'chatty', 'busybox', 'sh', '-c', script]);
    {
      await using _full = await fillDisk();
      const { code } = await instance.berth(['attach', 'chatty'], { input: 'go\n' });
      expect(code).toBe(7);
    }
    await instance.killDaemon();
    await instance.startDaemon();
    const kept = ['inspect', '-f', '{{.State.Status}} {{.State.ExitCode}}', 'chatty'];
    expect(await instance.berthOk(kept)).toBe('exited 7');
    expect((await instance.berth(['logs', '--tail', '1', 'chatty'])).code).toBe(0);
    await instance.berthOk(['start', 'chatty']);
    await instance.berthOk(['rm', '-f', 'chatty']);
    await expectUsable();
  });

  it('ends a commit, which frees what it took', async () => {
    const fill = ['dd', 'if=/dev/urandom', 'of=/big', 'bs=1M', 'count=11'];
    await instance.berthOk(['run', '--name', 'large', 'busybox', ...fill]);
    const before = await tracesOf(instance);
    const { code, stderr } = await instance.berth(['commit', 'large']);
    expect([code, stderr.trim()]).toEqual([1, `Error response from daemon: ${HINT}`]);
    expect(await tracesOf(instance)).toEqual(before);
    await instance.berthOk(['rm', 'large']);
    await expectUsable();
  });

  it('ends a load, wherever the archive stops to fit, and frees what it took', async () => {
    const before = await tracesOf(instance);
    // The first does not fit as it comes, half as large; of the second only the unpacked layer does not.
    for (const megabytes of [48, 24]) {
      const image = await makeImage({ text: randomBytes(megabytes << 19).toString('hex') });
      await writeFile(`${context}/large.tar`, await tar([...layout([image.descriptor]), ...blobsOf(image)]));
      const { code, stderr } = await instance.berth(['load', '-i', `${context}/large.tar`]);
      expect([code, stderr.trim()]).toEqual([1, expect.stringContaining(HINT)]);
      expect(await tracesOf(instance)).toEqual(before);
    }
    await expectUsable();
  });

  it('ends a container that fills it, and --rm frees what it took', async () => {
    const before = await tracesOf(instance);
    const { code, stderr } = await instance.berth([
      'run',
      '--rm',
      'busybox',
      'sh',
      '-c',
      'cat /dev/zero > /big',
    ]);
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/^cat: .*(No space left on device|I\/O error)/),
    ]);
    expect(await tracesOf(instance)).toEqual(before);
    await expectUsable();
  });

  it('is no reason to forget how a container ended, or to be unable to remove it', async () => {
    const before = await tracesOf(instance);
    const fill = 'cat /dev/zero > /big; exit 7';
    const { code, stderr } = await instance.berth(['run', '--name', 'greedy', 'busybox', 'sh', '-c', fill]);
    expect([code, stderr]).toEqual([7, expect.stringMatching(/^cat: /)]);
    await instance.killDaemon();
    await instance.startDaemon();
    expect(await instance.berthOk(['ps', '-a', '--format', '{{.Status}}'])).toMatch(/^Exited \(7\)/);
    await instance.berthOk(['rm', 'greedy']);
    expect(await tracesOf(instance)).toEqual(before);
  });

  it('refuses a new container, network or build while it lasts, and leaves nothing of them', async () => {
    const before = await tracesOf(instance);
    await using filled = await fillDisk();
    const run = await instance.berth(['run', '--rm', 'busybox', 'true']);
    expect([run.code, run.stderr]).toEqual([
      125,
      expect.stringContaining(`Error response from daemon: ${HINT}`),
    ]);
    for (const args of [
      ['network', 'create', 'late'],
      ['volume', 'create', 'late'],
      ['build', '--no-cache', context],
      ['pull', 'debian'],
    ]) {
      const { code, stderr } = await instance.berth(args);
      expect([code, stderr]).toEqual([1, expect.stringContaining(HINT)]);
    }
    await filled.disposeAsync();
    expect(await tracesOf(instance)).toEqual(before);
    await expectUsable();
  });

  it('is no reason to be unable to remove an image', async () => {
    await using filled = await fillDisk();
    expect(await instance.berthOk(['rmi', 'busybox'])).toMatch(
      /^Untagged: busybox:latest\n.*\nDeleted: sha256:/,
    );
    expect(await instance.berthOk(['images', '-q'])).toBe('');
    await filled.disposeAsync();
    await instance.berthOk(['pull', '-q', 'busybox']);
    await expectUsable();
  });
});
