import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Instance, startInstance } from './instance.ts';

describe('changing the published ports of a container', () => {
  let instance: Instance;
  beforeAll(async () => {
    instance = await startInstance();
    await instance.berthOk(['pull', '-q', 'busybox']);
    const serve = 'echo web > /index.html; httpd -p 80 -h /; exec sleep 1000';
    await instance.berthOk(['run', '-d', '--name', 'web', 'busybox', 'sh', '-c', serve]);
  });
  afterAll(() => instance[Symbol.asyncDispose]());

  const update = (...args: string[]) => instance.berth(['update', ...args, 'web']);
  const places = async () =>
    (await instance.berth(['port', 'web'])).stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => line.split(' -> ')[1] ?? '');
  const page = async (place: string) => (await fetch(`http://${place}`)).text();

  it('publishes more while it runs, and over restarts of the container and of berthd', async () => {
    expect(await update('--publish-add', '127.0.0.1::80', '--publish-add', '80')).toMatchObject({ code: 0 });
    const [local = '', everywhere = '', onIPv6 = ''] = await places();
    expect(local).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(everywhere).toMatch(/^0\.0\.0\.0:\d+$/);
    expect(onIPv6).toBe(everywhere.replace('0.0.0.0', '[::]'));
    for (const place of [local, everywhere, onIPv6]) expect(await page(place)).toBe('web\n');

    await instance.killDaemon();
    expect(await page(local)).toBe('web\n');
    await instance.startDaemon();
    expect(await places()).toEqual([local, everywhere, onIPv6]);
    expect(await page(everywhere)).toBe('web\n');

    await instance.berthOk(['restart', '-t', '0', 'web']);
    const after = await places();
    expect(after).toHaveLength(3);
    for (const place of after) expect(await page(place)).toBe('web\n');
  });

  it('withdraws one place, or all of a port', async () => {
    const [local = '', everywhere = '', onIPv6 = ''] = await places();
    await instance.berthOk(['update', '--publish-rm', `${local}:80`, 'web']);
    expect(await places()).toEqual([everywhere, onIPv6]);
    await expect(page(local)).rejects.toThrow('fetch failed');
    await instance.berthOk(['update', '--publish-rm', '80', 'web']);
    expect(await places()).toEqual([]);
    for (const place of [everywhere, onIPv6]) await expect(page(place)).rejects.toThrow('fetch failed');
    await instance.berthOk(['restart', '-t', '0', 'web']);
    expect(await places()).toEqual([]);
  });

  it('changes nothing when a port is taken or not published', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    const { promise, resolve } = Promise.withResolvers<void>();
    server.once('listening', resolve);
    await promise;
    const address = server.address();
    const taken = typeof address === 'object' ? `127.0.0.1:${address?.port}` : '';
    const refused = await update('--publish-add', '127.0.0.1::80', '--publish-add', `${taken}:80`);
    server.close();
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringContaining(`${taken}/tcp is already in use`),
    ]);
    expect(await places()).toEqual([]);
    const unknown = await update('--publish-rm', '81/udp');
    expect([unknown.code, unknown.stderr]).toEqual([
      1,
      expect.stringContaining('web does not publish 81/udp'),
    ]);
  });

  it('takes the first free port of a range', async () => {
    const ranges = ['--publish-add', '127.0.0.1:21000-21099:80', '--publish-add', '127.0.0.1:21000-21099:81'];
    expect(await update(...ranges)).toMatchObject({ code: 0 });
    const [first = '', second = ''] = await places();
    expect(await page(first)).toBe('web\n');
    const portOf = (place: string) => Number(place.split(':')[1]);
    expect(portOf(first)).toBeLessThan(portOf(second));
    expect(portOf(second)).toBeLessThan(21_100);
    await instance.berthOk(['update', '--publish-rm', '80', '--publish-rm', `${second}:81`, 'web']);
    expect(await places()).toEqual([]);
    const wrong = await update('--publish-add', '127.0.0.1:21099-21000:80');
    expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining('21099-21000')]);
  });

  it('is refused where the container has no network of its own', async () => {
    await instance.berthOk(['create', '--name', 'lone', '--network', 'none', 'busybox']);
    const { code, stderr } = await instance.berth(['update', '--publish-add', '80', 'lone']);
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining('lone has no network of its own to publish ports from'),
    ]);
  });
});
