import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ContainerStats } from '../../src/client/index.ts';
import { send } from '../compat/send.ts';
import { type Instance, startInstance } from './instance.ts';

const MIB = 1024 * 1024;

describe("the figures of a container's usage", () => {
  let instance: Instance;
  beforeAll(async () => {
    instance = await startInstance();
    await instance.berthOk(['pull', '-q', 'busybox:latest']);
  });
  afterAll(async () => instance[Symbol.asyncDispose]());

  const run = (name: string, script: string, ...options: string[]) =>
    instance.berthOk(['run', '-d', '--name', name, ...options, 'busybox', 'sh', '-c', script]);

  const read = async (container: string, query: string) => {
    const { status, body } = await instance.api(`GET /containers/${container}/stats?${query}`);
    return { status, stats: body as ContainerStats };
  };

  it('tells the CPU time of a container that is busy beside that of the host', async () => {
    await run('busy', 'while :; do :; done', '--cpus', '0.5');
    const { stats } = await read('busy', 'stream=false');
    const own = stats.cpu_stats.cpu_usage.total_usage - stats.precpu_stats.cpu_usage.total_usage;
    const host = (stats.cpu_stats.system_cpu_usage ?? 0) - (stats.precpu_stats.system_cpu_usage ?? 0);
    expect(own).toBeGreaterThan(0);
    expect(own).toBeLessThan(host);
    expect(stats.cpu_stats.online_cpus).toBe(
      (await readFile('/proc/stat', 'utf8')).match(/^cpu\d/gm)?.length,
    );
    await instance.berthOk(['rm', '-f', 'busy']);
  });

  it('tells the memory that a container holds, its limit, and what the kernel can drop', async () => {
    const script =
      'head -c 40000000 /dev/zero > /dev/shm/held; cat /bin/busybox > /copy; echo held; sleep 1000';
    await run('holder', script, '-m', '100m', '--shm-size', '50m');
    await expect.poll(() => instance.berthOk(['logs', 'holder'])).toBe('held');
    const { memory_stats: memory } = (await read('holder', 'stream=false&one-shot=true')).stats;
    expect(memory.limit).toBe(100 * MIB);
    expect(memory.usage).toBeGreaterThan(40_000_000);
    expect(memory.usage).toBeLessThan(100 * MIB);
    const droppable = memory.stats?.total_inactive_file ?? memory.stats?.inactive_file;
    expect(droppable).toBeGreaterThan(0);
    await instance.berthOk(['rm', '-f', 'holder']);
  });

  it('counts processes, and traffic in the network of the container', async () => {
    await run('server', 'echo hello > index.html; sleep 1000 & exec httpd -f -p 80', '--pids-limit', '20');
    const address = await instance.berthOk(['inspect', '-f', '{{.NetworkSettings.IPAddress}}', 'server']);
    await instance.berthOk(['run', '--rm', 'busybox', 'wget', '-qO-', `http://${address}`]);
    const { stats } = await read('server', 'stream=false&one-shot=true');
    expect(stats.pids_stats).toEqual({ current: 2, limit: 20 });
    expect(Object.keys(stats.networks ?? {})).toEqual(['eth0']);
    expect(stats.networks?.eth0?.rx_bytes).toBeGreaterThan(100);
    expect(stats.networks?.eth0?.tx_bytes).toBeGreaterThan(100);
    await instance.berthOk(['rm', '-f', 'server']);
  });

  it('streams a reading at once, each with the one before, until the container is removed', async () => {
    await run('streamed', 'sleep 1000');
    const request = 'GET /containers/streamed/stats';
    const stream = send(instance.socketPath, { name: 'stream', request }, request, undefined);
    await read('streamed', 'stream=false');
    await instance.berthOk(['rm', '-f', 'streamed']);
    const lines = (await stream).body.toString().trim().split('\n');
    const [first, second] = lines.map((line) => JSON.parse(line) as ContainerStats);
    expect(first?.precpu_stats.system_cpu_usage).toBeUndefined();
    expect(second?.precpu_stats).toEqual(first?.cpu_stats);
  });

  it('shows containers that do not run with nothing, and names one that there is not', async () => {
    await instance.berthOk(['create', '--name', 'asleep', 'busybox', 'true']);
    const { stats } = await read('asleep', 'stream=false');
    expect(stats).toMatchObject({ name: '/asleep', read: '0001-01-01T00:00:00Z', memory_stats: {} });
    expect((await instance.api('GET /containers/nobody/stats?stream=false')).status).toBe(404);
    await instance.berthOk(['rm', 'asleep']);
  });

  it('is a table of running containers, or a template', async () => {
    await run('shown', 'sleep 1000', '-m', '64m');
    await instance.berthOk(['create', '--name', 'hidden', 'busybox', 'true']);
    const table = await instance.berthOk(['stats', '--no-stream']);
    expect(table).toMatch(
      /^CONTAINER ID +NAME +CPU % +MEM USAGE \/ LIMIT +MEM % +NET I\/O +BLOCK I\/O +PIDS\n/,
    );
    expect(table).toMatch(/\n[0-9a-f]{12} +shown +\d+\.\d\d% +[\d.]+[KM]iB \/ 64MiB .* 1$/);
    expect(await instance.berthOk(['stats', '-a', '--no-stream', '--format', '{{.Name}} {{.PIDs}}'])).toBe(
      'hidden --\nshown 1',
    );
    expect(await instance.berth(['stats', '--no-stream', 'nobody'])).toMatchObject({ code: 1 });
    await instance.berthOk(['rm', '-f', 'shown', 'hidden']);
  });
});
