import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { decodeFields, encodeFrame, FrameDecoder, PROTOCOL_VERSION, textOf } from '../base/index.ts';
import type { SupervisorPlan } from './contract.ts';
import { openLauncher } from './launcher.ts';
import { message, tag } from './protocol.ts';
import { collect, ended, makeErofs, missingForContainers, TestInstance } from './test-instance.ts';

const CRUN = '/usr/bin/crun';
const missing = missingForContainers(CRUN) ?? (existsSync('/usr/bin/mkfs.erofs') ? undefined : 'mkfs.erofs');
const reason = missing === undefined ? '' : ` (skipped: needs ${missing})`;

/** What a kernel version can do, forced by the launcher's environment. */
const KERNELS = [
  { name: 'as new as this one', environment: {} },
  { name: 'from 6.12: joins by path', environment: { BERTH_ROOT_JOIN: 'path' } },
  {
    name: 'before 6.12: loop devices and mount(2)',
    environment: { BERTH_ROOT_JOIN: 'mount', BERTH_LAYER_MOUNT: 'loop' },
  },
];

describe.skipIf(missing !== undefined)(`the launcher${reason}`, { timeout: 30_000 }, () => {
  for (const { name, environment } of KERNELS) {
    describe(`on a kernel ${name}`, () => {
      let instance: TestInstance;
      let image: string;
      beforeAll(async () => {
        Object.assign(process.env, environment);
        instance = await TestInstance.create(CRUN);
        image = join(instance.folder, 'busybox.erofs');
        await makeErofs(instance.layer, image);
      });
      afterAll(async () => {
        for (const variable of Object.keys(environment)) delete process.env[variable];
        await instance[Symbol.asyncDispose]();
      });

      const run = async (args: string[], changes: Partial<SupervisorPlan>) => {
        const { session, supervisor } = await instance.start({ args, plan: changes });
        const { stdout } = await collect(session);
        await ended(supervisor);
        return stdout;
      };

      test('runs a container on an EROFS image', async () => {
        const { root } = await instance.plan();
        const changes = { root: { layers: [image], writable: root.writable } };
        expect(await run(['/bin/sh', '-c', 'echo new >/tmp/file; ls /tmp'], changes)).toBe('file\n');
        expect(await readFile(join(root.writable?.upper ?? '', 'tmp/file'), 'utf8')).toBe('new\n');
      });

      test('joins 40 layers, the last one on top', async () => {
        const layers = [image];
        for (let number = 1; number < 40; number++) {
          const folder = join(instance.folder, `layer-${number}`);
          await mkdir(join(folder, 'etc'), { recursive: true });
          await writeFile(join(folder, 'etc/top'), `${number}\n`);
          await writeFile(join(folder, `etc/only-${number}`), '');
          if (number % 2 === 0) layers.push(folder);
          else {
            await makeErofs(folder, `${folder}.erofs`);
            layers.push(`${folder}.erofs`);
          }
        }
        const { root } = await instance.plan();
        const script = 'cat /etc/top; ls /etc | wc -l';
        const output = await run(['/bin/sh', '-c', script], { root: { layers, writable: root.writable } });
        expect(output.split(/\s+/).slice(0, 2)).toEqual(['39', '41']);
      });

      test('gives a root without layers a writable folder', async () => {
        const plan = await instance.plan();
        const supervisor = await instance.launcher.launch({ ...plan, root: { ...plan.root, layers: [] } });
        await mkdir(join(supervisor.rootPath, 'made'));
        expect(await readdir(plan.root.writable?.upper ?? '')).toEqual(['made']);
        await supervisor.discard();
      });

      test.each(['image', 'folder'])('shows a single layer (%s) read-only', async (kind) => {
        const layers = [kind === 'image' ? image : instance.layer];
        const supervisor = await instance.launcher.launch(
          await instance.plan({ root: { layers, writable: undefined } }),
        );
        await expect(writeFile(join(supervisor.rootPath, 'file'), '')).rejects.toMatchObject({
          code: 'EROFS',
        });
        expect(await readdir(join(supervisor.rootPath, 'etc'))).toEqual(['passwd']);
        await supervisor.discard();
      });

      test('serves files of a joined root, and lets the layers go with the worker', async () => {
        const worker = await instance.launcher.openFiles({
          layers: [image, instance.layer],
          writable: undefined,
        });
        expect((await worker.readFile('/etc/passwd')).toString()).toBe('root:x:0:0::/root:/bin/sh\n');
        await expect(instance.launcher.unmountLayer(image)).rejects.toMatchObject({ kind: 'conflict' });
        await worker[Symbol.asyncDispose]();
      });
    });
  }

  describe('whatever the kernel', () => {
    let instance: TestInstance;
    beforeAll(async () => {
      instance = await TestInstance.create(CRUN);
    });
    afterAll(async () => {
      await instance[Symbol.asyncDispose]();
    });
    afterEach(async () => {
      expect(await readFile('/proc/self/mounts', 'utf8')).not.toContain(instance.folder);
    });

    test('serves files of a running container, its mounts included', async () => {
      const { supervisor } = await instance.start({ args: ['sleep', '1000'] });
      await using worker = await instance.launcher.openContainerFiles(supervisor);
      expect((await worker.readFile('/proc/1/comm')).toString()).toMatch(/sleep|busybox/);
      await supervisor.signal(9);
    });

    test('says when a folder to serve is missing', async () => {
      const { supervisor } = await instance.prepare();
      await supervisor.discard();
      await expect(instance.launcher.openContainerFiles(supervisor)).rejects.toMatchObject({
        kind: 'not-found',
        message: expect.stringContaining('does not exist'),
      });
      expect(await readdir(join(instance.execRoot, 'f'))).toEqual([]);
    });

    test('refuses a layer that is missing or no image, by its name', async () => {
      const absent = join(instance.folder, 'absent.erofs');
      const root = { layers: [absent], writable: undefined };
      await expect(instance.launcher.launch(await instance.plan({ root }))).rejects.toMatchObject({
        kind: 'not-found',
        message: expect.stringContaining(absent),
      });
      await writeFile(absent, 'x'.repeat(8192));
      await expect(instance.launcher.launch(await instance.plan({ root }))).rejects.toMatchObject({
        kind: 'internal',
        message: expect.stringContaining(absent),
      });
    });

    test('unmounts a layer when nobody uses it any more', async () => {
      const layer = join(instance.folder, 'short-lived');
      await mkdir(layer);
      const root = { layers: [layer], writable: undefined };
      const supervisor = await instance.launcher.launch(await instance.plan({ root }));
      await expect(instance.launcher.unmountLayer(layer)).rejects.toMatchObject({ kind: 'conflict' });
      await supervisor.discard();
      await supervisor.exited;
      await instance.launcher.unmountLayer(layer);
      const mounts = await readFile(`/proc/${instance.launcherPid()}/mounts`, 'utf8');
      expect(mounts).not.toContain(layer);
      await instance.launcher.unmountLayer(join(instance.folder, 'never-mounted'));
    });

    test('waits for the processes of containers that have ended before it unmounts their layers', async () => {
      const layer = join(instance.folder, 'just-used');
      await mkdir(layer);
      const root = { layers: [layer, instance.layer], writable: undefined };
      const { supervisor } = await instance.start({ args: ['true'], plan: { root } });
      await supervisor.exited;
      await instance.launcher.unmountLayer(layer);
    });

    test('keeps a network namespace, with its loopback up, until it is released', async () => {
      const { launcher } = instance;
      const network = await launcher.createNetworkNamespace();
      expect((await stat(network.path)).isFile()).toBe(true);
      await launcher.releaseNetworkNamespace(network);
      expect(existsSync(network.path)).toBe(false);
      await expect(launcher.releaseNetworkNamespace(network)).rejects.toMatchObject({ kind: 'not-found' });
      const plan = await instance.plan({ network });
      await expect(launcher.launch(plan)).rejects.toMatchObject({ kind: 'not-found' });
    });

    test('is one process for all who open it at the same time', async () => {
      const options = {
        execRoot: join(instance.folder, 'shared'),
        nativeDirectory: instance.nativeDirectory,
      };
      const launchers = await Promise.all([
        openLauncher(options),
        openLauncher(options),
        openLauncher(options),
      ]);
      const paths = await Promise.all(
        launchers.map(async (one) => (await one.createNetworkNamespace()).path),
      );
      expect(new Set(paths.map((path) => path.split('/')[2])).size).toBe(1);
      process.kill(Number(await readFile(join(options.execRoot, 'l.pid'), 'utf8')), 'SIGKILL');
      for (const one of launchers) await one[Symbol.asyncDispose]();
    });

    test('refuses a second supervisor for a container', async () => {
      const { plan, supervisor } = await instance.prepare();
      await using other = await instance.secondLauncher();
      await expect(other.launch(plan)).rejects.toMatchObject({ kind: 'conflict' });
      await expect(instance.launcher.launch(plan)).rejects.toMatchObject({ kind: 'conflict' });
      await supervisor.discard();
    });

    test('follows the symlinks of an image inside it when it reads accounts', async () => {
      const layer = join(instance.folder, 'linked');
      await mkdir(join(layer, 'etc'), { recursive: true });
      await symlink('/../../../../elsewhere', join(layer, 'etc/passwd'));
      await writeFile(join(layer, 'elsewhere'), 'inside:x:1:1::/:/bin/sh\n');
      await symlink('/etc/group', join(layer, 'etc/group')); // a loop
      const root = { layers: [layer], writable: undefined };
      const supervisor = await instance.launcher.launch(await instance.plan({ root }));
      expect(supervisor.accounts).toEqual({ passwd: 'inside:x:1:1::/:/bin/sh\n', group: '' });
      await supervisor.discard();
    });

    test('refuses an image whose accounts are no file or too large', async () => {
      const layer = join(instance.folder, 'strange');
      const root = { layers: [layer], writable: undefined };
      await mkdir(join(layer, 'etc/passwd'), { recursive: true });
      await expect(instance.launcher.launch(await instance.plan({ root }))).rejects.toMatchObject({
        kind: 'invalid',
        message: 'etc/passwd of the image is no file',
      });
      await rm(join(layer, 'etc/passwd'), { recursive: true });
      await writeFile(join(layer, 'etc/passwd'), 'x'.repeat(2 ** 20 + 1));
      await expect(instance.launcher.launch(await instance.plan({ root }))).rejects.toMatchObject({
        kind: 'invalid',
        message: 'etc/passwd of the image is larger than 1 MiB',
      });
    });

    test('refuses a protocol version that it does not speak, in words', async () => {
      const socket = connect(join(instance.execRoot, 'l.sock'));
      const frame = encodeFrame(message.launcherHello, 5);
      frame.writeUInt8(9, 4);
      socket.write(frame);
      const [answer] = new FrameDecoder().push(await buffer(socket));
      expect(answer).toMatchObject({ type: message.error, id: 5 });
      expect(textOf(decodeFields(answer?.payload ?? Buffer.alloc(0)), tag.message)).toBe(
        `protocol version 9 is not spoken here (this is version ${PROTOCOL_VERSION})`,
      );
    });

    test('drops a client that breaks the protocol, and serves the others', async () => {
      const socket = connect(join(instance.execRoot, 'l.sock'));
      socket.end(Buffer.alloc(64, 0xff));
      expect(await buffer(socket)).toHaveLength(0);
      const network = await instance.launcher.createNetworkNamespace();
      await instance.launcher.releaseNetworkNamespace(network);
    });

    test('says what it lacks when its program is missing', async () => {
      const options = { execRoot: join(instance.folder, 'none'), nativeDirectory: '/nonexistent' };
      await expect(openLauncher(options)).rejects.toMatchObject({
        kind: 'unavailable',
        message: expect.stringContaining('/nonexistent/berth-launcher'),
      });
      await rm(options.execRoot, { recursive: true });
    });

    test('refuses an exec root that is too long for sockets', async () => {
      const options = { execRoot: `/tmp/${'x'.repeat(90)}`, nativeDirectory: instance.nativeDirectory };
      await expect(openLauncher(options)).rejects.toMatchObject({
        kind: 'invalid',
        message: expect.stringMatching(/is \d+ bytes too long/),
      });
    });

    test('gives up a launch that is cancelled', async () => {
      const plan = await instance.plan();
      const launch = instance.launcher.launch(plan, AbortSignal.timeout(0));
      await expect(launch).rejects.toMatchObject({ name: expect.stringMatching(/TimeoutError|BerthError/) });
      expect(await instance.launcher.reconnect(plan.id, plan.directory)).toBeUndefined();
    });
  });
});
