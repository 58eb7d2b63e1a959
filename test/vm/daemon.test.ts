import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Instance } from '../engine/instance.ts';
import { startMachines } from './machines.ts';

const SERVER = 'echo begun; echo -n hello >index.html; exec httpd -f -p 80';

describe('a virtual machine whose berthd is killed', () => {
  let instance: Instance;
  beforeAll(async () => {
    instance = await startMachines();
  });
  afterAll(async () => instance[Symbol.asyncDispose]());

  const page = async (port: number) => (await fetch(`http://127.0.0.1:${port}/`)).text();

  it('keeps answering, and logs, exec, stats, stop and start work on it after the next start', async () => {
    await instance.berthOk([
      ...[
        'run',
        '-d',
        '--name',
        'web',
        '--isolation',
        'vm',
        '-p',
        '127.0.0.1::80',
        'busybox',
        'sh',
        '-c',
        SERVER,
      ],
    ]);
    const port = await instance.publishedPort('web', '80/tcp');
    await expect.poll(() => page(port).catch(() => ''), { timeout: 20_000 }).toBe('hello');
    await instance.killDaemon();
    expect(await page(port)).toBe('hello');
    await instance.startDaemon();
    expect(await page(port)).toBe('hello');
    expect(await instance.berthOk(['logs', 'web'])).toContain('begun');
    expect(await instance.berthOk(['exec', 'web', 'echo', 'inside'])).toBe('inside');
    expect(await instance.berthOk(['top', 'web'])).toContain('httpd');
    await instance.berthOk(['stop', '-t', '0', 'web']);
    await instance.berthOk(['start', 'web']);
    const again = await instance.publishedPort('web', '80/tcp');
    await expect.poll(() => page(again).catch(() => ''), { timeout: 20_000 }).toBe('hello');
    await instance.berthOk(['rm', '-f', 'web']);
  });
});
