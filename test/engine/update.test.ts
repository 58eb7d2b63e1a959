import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { send } from '../compat/send.ts';
import { type Instance, startInstance } from './instance.ts';
import { LIMIT_FILES } from './limit-files.ts';

const MIB = 1024 * 1024;

describe('berth update', () => {
  let instance: Instance;
  beforeAll(async () => {
    instance = await startInstance();
    await instance.berthOk(['pull', '-q', 'busybox:latest']);
  });
  afterAll(async () => instance[Symbol.asyncDispose]());

  const sleeper = (name: string, ...options: string[]) =>
    instance.berthOk(['run', '-d', '--name', name, ...options, 'busybox', 'sleep', '1000']);

  const limit = async (container: string, name: keyof typeof LIMIT_FILES) =>
    (await instance.berth(['exec', container, 'sh', '-c', LIMIT_FILES[name]])).stdout.trim();

  const change = (container: string, body: object) =>
    instance.api(`POST /containers/${container}/update`, body);

  it('gives a running container other limits, which it feels at once', async () => {
    await sleeper('fed', '-m', '64m', '--pids-limit', '100');
    const options = ['-m', '100m', '--memory-swap', '150m', '--memory-reservation', '50m'];
    const cpu = ['--cpus', '0.5', '--cpu-shares', '512', '--cpuset-cpus', '0'];
    expect(await instance.berthOk(['update', ...options, ...cpu, '--pids-limit', '20', 'fed'])).toBe('fed');
    expect(await limit('fed', 'memory')).toBe(String(100 * MIB));
    expect([150 * MIB, 50 * MIB].map(String)).toContain(await limit('fed', 'swap')); // v2 counts swap alone
    expect(await limit('fed', 'reservation')).toBe(String(50 * MIB));
    expect(await limit('fed', 'quota')).toMatch(/^50000( 100000)?$/);
    expect(['512', '59', '20']).toContain(await limit('fed', 'shares')); // v2 has weights, by one of two formulas
    expect(await limit('fed', 'cpus')).toBe('0');
    expect(await limit('fed', 'pids')).toBe('20');
    const inspected = await instance.berthOk([
      ...[
        'inspect',
        '-f',
        '{{json .HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}',
        'fed',
      ],
    ]);
    expect(inspected).toBe(`${100 * MIB} 500000000 20`);
  });

  it('takes the limit of processes away, and lets swap grow without end', async () => {
    await instance.berthOk(['update', '--pids-limit', '-1', '--memory-swap', '-1', 'fed']);
    expect(await limit('fed', 'pids')).toBe('max');
    expect(await limit('fed', 'swap')).toMatch(/^(max|9223372036854771712)$/);
  });

  it('keeps what was changed over a restart of the container and of berthd', async () => {
    await instance.killDaemon();
    await instance.startDaemon();
    expect(await limit('fed', 'memory')).toBe(String(100 * MIB));
    await instance.berthOk(['restart', '-t', '0', 'fed']);
    expect(await limit('fed', 'memory')).toBe(String(100 * MIB));
    expect(await limit('fed', 'quota')).toMatch(/^50000( 100000)?$/);
    expect(await limit('fed', 'pids')).toBe('max');
    await instance.berthOk(['rm', '-f', 'fed']);
  });

  it('changes a container that does not run, for its next start, and tells of it by an event', async () => {
    await instance.berthOk(['create', '--name', 'later', 'busybox', 'sleep', '1000']);
    expect(await change('later', { Memory: 50 * MIB, MemorySwap: 50 * MIB })).toEqual({
      status: 200,
      body: { Warnings: null },
    });
    await instance.berthOk(['start', 'later']);
    expect(await limit('later', 'memory')).toBe(String(50 * MIB));
    const now = new Date().toISOString();
    const filter = ['--filter', 'container=later', '--filter', 'event=update'];
    const events = await instance.berthOk(['events', '--since', '1m', '--until', now, ...filter]);
    expect(events).toContain('container update');
    await instance.berthOk(['rm', '-f', 'later']);
  });

  it('applies a changed restart policy at the next end', async () => {
    const script = 'trap "exit 3" USR1; while :; do sleep 0.1; done';
    await instance.berthOk(['run', '-d', '--name', 'once', 'busybox', 'sh', '-c', script]);
    await instance.berthOk(['update', '--restart', 'on-failure:5', 'once']);
    const since = Date.now() / 1000;
    await instance.berthOk(['kill', '-s', 'USR1', 'once']);
    const filters = encodeURIComponent('{"container":["once"],"event":["start"]}');
    const request = `GET /events?since=${since}&filters=${filters}`;
    await send(instance.socketPath, { name: 'events', request, ends: '"start"' }, request, undefined);
    const policy = '{{.HostConfig.RestartPolicy.Name}} {{.HostConfig.RestartPolicy.MaximumRetryCount}}';
    expect(await instance.berthOk(['inspect', '-f', policy, 'once'])).toBe('on-failure 5');
    await instance.berthOk(['rm', '-f', 'once']);
  });

  it('refuses what cannot be, and leaves everything as it was', async () => {
    await sleeper('kept', '-m', '64m', '--cpus', '1');
    const refused = async (body: object, status: number, message: string) => {
      const answer = await change('kept', body);
      expect(answer.status).toBe(status);
      expect((answer.body as { message: string }).message).toContain(message);
    };
    await refused({ Memory: 1000 }, 400, 'Minimum memory limit allowed is 6MB');
    await refused(
      { Memory: 200 * MIB },
      409,
      'Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time',
    );
    await refused({ CpuQuota: 5000 }, 409, 'CPU Quota cannot be updated as NanoCPUs has already been set');
    await refused({ CpusetCpus: '4000' }, 400, 'Requested CPUs are not available - requested 4000');
    await refused({ RestartPolicy: { Name: 'sometimes' } }, 400, "unknown policy 'sometimes'");
    expect((await change('nobody', { Memory: 10 * MIB })).status).toBe(404);
    expect(await limit('kept', 'memory')).toBe(String(64 * MIB));
    expect((await instance.berth(['update', 'kept'])).stderr).toContain('you must provide one or more flags');
    await instance.berthOk(['rm', '-f', 'kept']);
    await sleeper('passing', '--rm');
    const restart = await instance.berth(['update', '--restart', 'always', 'passing']);
    expect(restart.stderr).toContain(
      'Restart policy cannot be updated because AutoRemove is enabled for the container',
    );
    await instance.berthOk(['rm', '-f', 'passing']);
  });

  it('keeps the old limits when the kernel refuses the new ones', async () => {
    const script = 'head -c 40000000 /dev/zero > /dev/shm/held; touch /ready; sleep 1000';
    await instance.berthOk(['run', '-d', '--name', 'full', '-m', '64m', 'busybox', 'sh', '-c', script]);
    await instance.berthOk(['exec', 'full', 'sh', '-c', 'until [ -e /ready ]; do :; done']);
    const refused = await change('full', { Memory: 7 * MIB, MemorySwap: 7 * MIB, PidsLimit: 5 });
    expect(refused.status).toBe(503);
    expect((refused.body as { message: string }).message).toContain('could not change the limits');
    expect(await limit('full', 'memory')).toBe(String(64 * MIB));
    expect(await limit('full', 'pids')).toBe('max');
    await instance.berthOk(['rm', '-f', 'full']);
  });
});
