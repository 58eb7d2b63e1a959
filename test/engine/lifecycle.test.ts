import { chmod, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Instance, startInstance } from './instance.ts';

describe('the life of a container', () => {
  let instance: Instance;
  beforeAll(async () => {
    instance = await startInstance();
    await instance.berthOk(['pull', '-q', 'busybox:latest']);
  });
  afterAll(async () => instance[Symbol.asyncDispose]());

  const sleeper = (name: string, ...options: string[]) =>
    instance.berthOk(['run', '-d', '--name', name, ...options, 'busybox', 'sleep', '1000']);
  const status = (name: string) => instance.berthOk(['inspect', '-f', '{{.State.Status}}', name]);

  it('is paused and goes on, at the top level and in its group, and says when it cannot', async () => {
    const script = 'i=0; while :; do i=$((i+1)); echo $i > /tick; done';
    await instance.berthOk(['run', '-d', '--name', 'ticker', 'busybox', 'sh', '-c', script]);
    expect(await instance.berthOk(['pause', 'ticker'])).toBe('ticker');
    expect(await status('ticker')).toBe('paused');
    const again = await instance.berth(['container', 'pause', 'ticker']);
    expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining('is already paused') });
    expect(await instance.berthOk(['container', 'unpause', 'ticker'])).toBe('ticker');
    const goesOn = 'a=$(cat /tick); until [ "$(cat /tick)" != "$a" ]; do :; done';
    await instance.berthOk(['exec', 'ticker', 'sh', '-c', goesOn]);
    expect((await instance.berth(['unpause', 'ticker'])).stderr).toContain('is not paused');
    await instance.berthOk(['rm', '-f', 'ticker']);
  });

  it('has its published ports shown, all of them or one', async () => {
    await sleeper('ports', '-p', '127.0.0.1::80', '-p', '127.0.0.1::53/udp');
    const [tcp, udp] = await Promise.all(
      ['80/tcp', '53/udp'].map((port) => instance.publishedPort('ports', port)),
    );
    expect((await instance.berthOk(['port', 'ports'])).split('\n').sort()).toEqual([
      `53/udp -> 127.0.0.1:${udp}`,
      `80/tcp -> 127.0.0.1:${tcp}`,
    ]);
    expect(await instance.berthOk(['container', 'port', 'ports', '80'])).toBe(`127.0.0.1:${tcp}`);
    expect((await instance.berth(['port', 'ports', '53'])).stderr).toContain(
      "No public port '53' published for ports",
    );
    await instance.berthOk(['rm', '-f', 'ports']);
  });

  it('is one that has run, whatever becomes of its next start', async () => {
    const file = `${instance.execRoot}/program`;
    await writeFile(file, '#!/bin/sh\nexit 3\n', { mode: 0o755 });
    const ended = '{{.State.Status}} {{.State.StartedAt}} {{.State.FinishedAt}}';
    const inspect = (format: string) => instance.berthOk(['inspect', '-f', format, 'fragile']);
    await instance.berth(['run', '--name', 'fragile', '-v', `${file}:/program`, 'busybox', '/program']);
    const before = await inspect(ended);
    expect(before).toMatch(/^exited 2/);
    await chmod(file, 0o644);
    expect((await instance.berth(['start', 'fragile'])).stderr).toContain('/program');
    expect(await inspect(ended)).toBe(before);
    expect(await inspect('{{.State.ExitCode}} {{.State.Error}}')).toMatch(/^126 .*\/program/);
    await instance.berthOk(['rm', 'fragile']);
  });

  it('gets another name, but not a wrong, a taken or its own one', async () => {
    await sleeper('first');
    await instance.berthOk(['create', '--name', 'second', 'busybox', 'true']);
    await instance.berthOk(['rename', 'first', 'third']);
    expect(await status('third')).toBe('running');
    const refused = async (name: string) => (await instance.berth(['rename', 'third', name])).stderr;
    expect(await refused('third')).toContain('Renaming a container with the same name as its current name');
    expect(await refused('a b')).toContain('Error when allocating new name: Invalid container name (/a b)');
    expect(await refused('second')).toContain('The container name "/second" is already in use by container');
    expect(await refused('')).toContain('Neither old nor new names may be empty');
    await instance.berthOk(['rm', '-f', 'third', 'second']);
  });

  it('is waited for until it does not run, exits the next time, or is removed', async () => {
    await instance.berthOk(['create', '--name', 'waited', 'busybox', 'sh', '-c', 'read; exit 7']);
    const wait = (condition: string) => instance.api(`POST /containers/waited/wait?condition=${condition}`);
    expect(await wait('not-running')).toEqual({ status: 200, body: { StatusCode: 0 } });
    const exited = wait('next-exit');
    const removed = wait('removed');
    await instance.berthOk(['start', 'waited']);
    expect(await exited).toEqual({ status: 200, body: { StatusCode: 7 } });
    expect(await instance.berthOk(['wait', 'waited'])).toBe('7');
    await instance.berthOk(['rm', 'waited']);
    expect(await removed).toEqual({ status: 200, body: { StatusCode: 7 } });
    expect(await instance.api('POST /containers/waited/wait')).toMatchObject({ status: 404 });
  });

  it('is listed as it is after each change: of its name, state, image and networks', async () => {
    await instance.berthOk(['network', 'create', 'listed-net']);
    await instance.berthOk(['tag', 'busybox', 'listed:1']);
    const run = ['run', '-d', '--name', 'listed', '--network', 'listed-net'];
    await instance.berthOk([...run, 'listed:1', 'sleep', '1000']);
    const listed = async () => {
      const rows = await instance.berthOk([
        'ps',
        '-a',
        '--format',
        '{{.Names}} {{.Image}} {{.State}} {{.Networks}}',
      ]);
      return rows.split('\n').filter((row) => row.startsWith('listed'));
    };
    expect(await listed()).toEqual(['listed listed:1 running listed-net']);
    await instance.berthOk(['rename', 'listed', 'listed-again']);
    expect(await listed()).toEqual(['listed-again listed:1 running listed-net']);
    await instance.berthOk(['network', 'connect', 'bridge', 'listed-again']);
    expect(await listed()).toEqual(['listed-again listed:1 running bridge,listed-net']);
    await instance.berthOk(['network', 'disconnect', 'listed-net', 'listed-again']);
    expect(await listed()).toEqual(['listed-again listed:1 running bridge']);
    await instance.berthOk(['kill', 'listed-again']);
    expect(await listed()).toEqual(['listed-again listed:1 exited bridge']);
    await instance.berthOk(['rmi', '-f', 'listed:1']);
    expect(await listed()).toEqual([expect.stringMatching(/^listed-again [0-9a-f]{12} exited bridge$/)]);
    await instance.berthOk(['rm', 'listed-again']);
    await instance.berthOk(['network', 'rm', 'listed-net']);
  });
});
