import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { run } from '../../src/base/index.ts';
import { type Instance, startInstance } from './instance.ts';

const SERVER = 'echo -n hello > index.html; exec httpd -f -p 80';

/** How many processes of this machine have a command line. */
async function runningProcesses(commandLine: string): Promise<number> {
  const { stdout } = await run('ps', ['-eo', 'args']);
  return stdout
    .toString()
    .split('\n')
    .filter((line) => line === commandLine).length;
}

describe('a container whose berthd is killed', () => {
  let instance: Instance;
  beforeEach(async () => {
    instance = await startInstance();
    await instance.berthOk(['pull', '-q', 'busybox:latest']);
  });
  afterEach(async () => instance[Symbol.asyncDispose]());

  const page = async (port: number) => (await fetch(`http://127.0.0.1:${port}/`)).text();

  it('keeps answering, and ps, logs, exec, stop and rm work on it after the next start', async () => {
    await instance.berthOk([
      'run',
      '-d',
      '--name',
      'web',
      '-p',
      '127.0.0.1::80',
      'busybox',
      'sh',
      '-c',
      `echo begun; ${SERVER}`,
    ]);
    const port = await instance.publishedPort('web', '80/tcp');
    expect(await page(port)).toBe('hello');

    await instance.killDaemon();
    expect(await page(port)).toBe('hello');

    await instance.startDaemon();
    expect(await page(port)).toBe('hello');
    expect(await instance.berthOk(['ps', '--format', '{{.Names}} {{.State}}'])).toBe('web running');
    expect(await instance.berthOk(['logs', 'web'])).toContain('begun');
    expect(await instance.berthOk(['exec', 'web', 'echo', 'inside'])).toBe('inside');
    await instance.berthOk(['stop', '-t', '0', 'web']);
    await instance.berthOk(['rm', 'web']);
    expect(await instance.berthOk(['ps', '-aq'])).toBe('');
  });

  it('has its exit code recorded when it ends meanwhile', async () => {
    await instance.berthOk([
      'run',
      '-d',
      '-i',
      '--name',
      'short',
      'busybox',
      'sh',
      '-c',
      'sleep 1; echo last words; exit 42',
    ]);
    await instance.killDaemon();
    await instance.startDaemon();
    expect(await instance.berthOk(['wait', 'short'])).toBe('42');
    expect(await instance.berthOk(['logs', 'short'])).toBe('last words');
  });

  it('is not what a build leaves behind: the next berthd ends the step and removes its folders', async () => {
    const context = await mkdtemp('/tmp/berth-context-');
    await writeFile(`${context}/Dockerfile`, 'FROM busybox\nRUN echo stepping; sleep 1000\n');
    const building = instance.berth(['build', context]);
    const steps = async () => (await readdir(`${instance.dataRoot}/build/steps`).catch(() => [])).length;
    await expect.poll(steps, { timeout: 10_000 }).toBe(2);
    await expect.poll(() => runningProcesses('sleep 1000'), { timeout: 10_000 }).toBe(1);
    await instance.killDaemon();
    await building;
    await instance.startDaemon();
    expect(await steps()).toBe(0);
    await expect.poll(() => runningProcesses('sleep 1000'), { timeout: 10_000 }).toBe(0);
    await rm(context, { recursive: true });
  });

  it('is removed at its end when it was run with --rm, also by the next berthd', async () => {
    await instance.berthOk(['run', '-d', '--rm', '--name', 'gone', 'busybox', 'sleep', '1']);
    await instance.killDaemon();
    await instance.startDaemon();
    await expect.poll(() => instance.berthOk(['ps', '-aq']), { timeout: 10_000 }).toBe('');
  });
});
