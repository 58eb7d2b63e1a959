import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Instance, startInstance } from './instance.ts';

describe('berth logs', () => {
  let instance: Instance;
  beforeAll(async () => {
    instance = await startInstance();
    await instance.berthOk(['pull', '-q', 'busybox:latest']);
  });
  afterAll(async () => instance[Symbol.asyncDispose]());

  /** Runs a script to its end. */
  const ran = (name: string, script: string, ...options: string[]) =>
    instance.berthOk(['run', '--name', name, ...options, 'busybox', 'sh', '-c', script]);

  const logs = async (name: string, ...options: string[]) =>
    (await instance.berthOk(['logs', ...options, name])).split('\n').map(Number);

  const folderOf = async (name: string) =>
    `${instance.dataRoot}/containers/${await instance.berthOk(['inspect', '-f', '{{.Id}}', name])}`;

  const numbers = (from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, index) => from + index);

  it.each([
    ['json-file', ['max-size=20k', 'max-file=3']],
    ['json-file', ['max-size=20k', 'max-file=3', 'compress=true']],
    ['local', ['max-size=20k', 'max-file=3']],
  ])('keeps the newest lines with the driver %s and %j, without a gap', async (driver, options) => {
    const given = options.flatMap((option) => ['--log-opt', option]);
    await ran('rotated', 'seq 1 5000', '--log-driver', driver, ...given);
    const kept = await logs('rotated');
    expect(kept).toEqual(numbers(kept[0] ?? 0, 5000));
    expect(kept.length).toBeGreaterThan(500);
    expect(kept.length).toBeLessThan(2500);
    expect(await logs('rotated', '--tail', '400')).toEqual(numbers(4601, 5000));
    const files = (await readdir(await folderOf('rotated'))).filter((name) => /\.log/.test(name));
    expect(files.length).toBe(3);
    expect(files.filter((name) => name.endsWith('.gz')).length).toBe(
      options.length === 2 && driver === 'json-file' ? 0 : 2,
    );
    await instance.berthOk(['rm', 'rotated']);
  });

  it('gives back every byte that the driver local has kept', async () => {
    await ran('bytes', `printf 'one\\n\\377\\376\\0binary\\nno end'`, '--log-driver', 'local');
    const { stdout } = await instance.berth(['logs', 'bytes']);
    expect(stdout).toBe(Buffer.from('one\n\xff\xfe\0binary\nno end', 'latin1').toString());
    await instance.berthOk(['rm', 'bytes']);
  });

  it('follows over rotations and compressed files to the end of the container', async () => {
    const options = ['max-size=200k', 'max-file=50', 'compress=true'].flatMap((option) => [
      '--log-opt',
      option,
    ]);
    const script = 'read go; seq 1 60000';
    await instance.berthOk([
      'run',
      '-d',
      '-i',
      '--name',
      'followed',
      ...options,
      'busybox',
      'sh',
      '-c',
      script,
    ]);
    const following = logs('followed', '-f');
    const attached = instance.berth(['attach', 'followed'], { input: 'go\n' });
    expect(await following).toEqual(numbers(1, 60_000));
    await attached;
    await instance.berthOk(['rm', 'followed']);
  });

  it('ends at the line where a file was full', async () => {
    // Each line takes 75 bytes: ten of them fill a file exactly.
    await ran(
      'exact',
      'for i in 0 1 2 3 4 5 6 7 8 9; do echo $i; usleep 1000; done',
      '--log-opt',
      'max-size=225',
      '--log-opt',
      'max-file=9',
    );
    expect(await logs('exact')).toEqual(numbers(0, 9));
    expect(await logs('exact', '--tail', '3')).toEqual([7, 8, 9]);
    await instance.berthOk(['rm', 'exact']);
  });

  it('shows times with nine digits, and what --log-opt chose of labels, variables and tag', async () => {
    const chosen = ['labels=tier', 'env=COLOUR', 'tag={{.Name}}'].flatMap((option) => ['--log-opt', option]);
    await ran(
      'detailed',
      'echo said',
      '--label',
      'tier=back end',
      '-e',
      'COLOUR=blue',
      '-e',
      'X=1',
      ...chosen,
    );
    expect(await instance.berthOk(['logs', '-t', '--details', 'detailed'])).toMatch(
      /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z COLOUR=blue,tag=detailed,tier=back\+end said$/,
    );
    await instance.berthOk(['rm', 'detailed']);
  });

  it('shows what came since and until a time, to the nanosecond', async () => {
    await ran('timed', 'for i in 1 2 3; do echo $i; usleep 20000; done');
    const times = (await instance.berthOk(['logs', '-t', 'timed']))
      .split('\n')
      .map((line) => line.split(' ')[0] ?? '');
    const [first = '', second = '', third = ''] = times;
    const nano = (time: string) => `${Math.floor(Date.parse(time) / 1000)}.${/\.(\d{9})/.exec(time)?.[1]}`;
    const shown = async (query: string) =>
      (await instance.api(`GET /containers/timed/logs?stdout=1&${query}`)).body
        ?.toString()
        .replace(/[^123]/g, '');
    // Lines that came in one read have the same time.
    const numbersOf = (isShown: (time: string) => boolean) =>
      times.flatMap((time, index) => (isShown(time) ? [index + 1] : [])).join('');
    expect(await shown(`since=${nano(second)}`)).toBe(numbersOf((time) => time >= second));
    expect(await shown(`until=${nano(second)}`)).toBe(numbersOf((time) => time <= second));
    expect(await shown(`since=${nano(first)}&until=${nano(third)}`)).toBe('123');
    await instance.berthOk(['rm', 'timed']);
  });

  it('sends lines to a syslog server, and reads them from files of its own', async () => {
    const server = createSocket('udp4');
    server.bind(0, '127.0.0.1');
    await once(server, 'listening');
    const received: string[] = [];
    const both = Promise.withResolvers<void>();
    server.on('message', (message) => {
      received.push(message.toString());
      if (received.length === 2) both.resolve();
    });
    const options = [
      `syslog-address=udp://127.0.0.1:${server.address().port}`,
      'syslog-facility=local3',
      'tag=web',
    ];
    await ran(
      'sent',
      'echo out; sleep 0.1; echo err >&2',
      '--log-driver',
      'syslog',
      ...options.flatMap((option) => ['--log-opt', option]),
    );
    await both.promise;
    server.close();
    expect(received).toEqual([
      expect.stringMatching(/^<158>\w{3} [ \d]\d \d\d:\d\d:\d\d web\[\d+\]: out$/),
      expect.stringMatching(/^<155>.* web\[\d+\]: err$/),
    ]);
    expect(await instance.berth(['logs', 'sent'])).toMatchObject({ stdout: 'out\n', stderr: 'err\n' });
    await instance.berthOk(['rm', 'sent']);
  });

  it('sends lines to a syslog server over TCP, and does not start without it', async () => {
    const received: string[] = [];
    let wanted = Promise.withResolvers<void>();
    const serve = async (port: number) => {
      const connections: Socket[] = [];
      const server = createServer((connection) => {
        connections.push(connection);
        createInterface({ input: connection }).on('line', (line) => {
          received.push(line);
          wanted.resolve();
        });
      });
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
      return { server, connections };
    };
    const first = await serve(0);
    const { port } = first.server.address() as AddressInfo;
    const options = ['--log-driver', 'syslog', '--log-opt', `syslog-address=tcp://127.0.0.1:${port}`];
    const named = ['run', '-d', '--name', 'streamed', '--log-opt', 'tag=web', ...options];
    await instance.berthOk([...named, 'busybox', 'echo', 'one']);
    await wanted.promise;
    expect(received).toEqual([expect.stringMatching(/^<30>\w{3} [ \d]\d \d\d:\d\d:\d\d web\[\d+\]: one$/)]);
    await instance.berthOk(['rm', '-f', 'streamed']);
    for (const connection of first.connections) connection.destroy();
    first.server.close();
    await once(first.server, 'close');
    const refused = await instance.berth(['run', '-d', '--name', 'streamed', ...options, 'busybox', 'true']);
    expect(refused.stderr).toContain(`the log's receiver at tcp:127.0.0.1:${port}`);
    expect(refused.stderr).toContain('Connection refused');
    await instance.berth(['rm', '-f', 'streamed']);
    wanted = Promise.withResolvers();
    const second = await serve(port);
    await instance.berthOk(['run', '-d', '--name', 'streamed', ...options, 'busybox', 'echo', 'two']);
    await wanted.promise;
    expect(received.at(-1)).toMatch(/: two$/);
    await instance.berthOk(['rm', '-f', 'streamed']);
    second.server.close();
  });

  it('refuses by name the drivers and receivers that are not there', async () => {
    const refused = async (...options: string[]) =>
      (await instance.berth(['create', ...options, 'busybox', 'true'])).stderr;
    expect(await refused('--log-driver', 'gelf')).toContain('the log driver gelf is not there yet');
    expect(await refused('--log-driver', 'journald')).toContain('journald is not enabled on this host');
    expect(
      await refused('--log-driver', 'syslog', '--log-opt', 'syslog-address=unix:///no/socket'),
    ).toContain('there is no socket /no/socket');
    expect(
      await refused('--log-driver', 'syslog', '--log-opt', 'syslog-address=tcp+tls://127.0.0.1'),
    ).toContain('syslog over tcp+tls is not there yet. Use tcp://');
    await ran('silent', 'echo nobody', '--log-driver', 'none');
    expect((await instance.berth(['logs', 'silent'])).stderr).toContain('does not support reading');
    await instance.berthOk(['rm', 'silent']);
  });
});
