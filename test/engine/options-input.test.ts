import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sendHijack } from '../compat/send.ts';
import { type Instance, startInstance } from './instance.ts';

describe('a container gets what its options hand in', () => {
  let instance: Instance;
  let folder: string;
  beforeAll(async () => {
    instance = await startInstance();
    folder = await mkdtemp('/tmp/berth-input-');
    await instance.berthOk(['pull', '-q', 'busybox:latest']);
  });
  afterAll(async () => {
    await instance[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  const inBusybox = async (script: string, ...options: string[]) =>
    (await instance.berthOk(['run', '--rm', ...options, 'busybox', 'sh', '-c', script])).trim();

  it('environment from options, files and our own, the later ones before the earlier', async () => {
    await writeFile(`${folder}/env`, '# colours\nCOLOUR=red\nSHAPE=round\nFROM_US\n');
    const { stdout } = await instance.berth(
      [
        ...['run', '--rm', '--env-file', `${folder}/env`, '-e', 'COLOUR=blue', '-e', 'OTHER_OF_US'],
        ...['busybox', 'sh', '-c', 'echo $COLOUR $SHAPE $FROM_US $OTHER_OF_US'],
      ],
      { env: { FROM_US: 'ours', OTHER_OF_US: 'too' } },
    );
    expect(stdout).toBe('blue round ours too\n');
    const wrong = await instance.berth(['create', '-e', '=x', 'busybox', 'true']);
    expect(wrong.stderr).toContain('invalid environment variable: =x');
  });

  it('labels from options and files, which filters find', async () => {
    await writeFile(`${folder}/labels`, 'from.file=yes\n');
    const options = ['--label', 'own=1', '--label', 'bare', '--label-file', `${folder}/labels`];
    const id = await instance.berthOk(['create', ...options, 'busybox', 'true']);
    const labels = JSON.parse(
      await instance.berthOk(['inspect', '-f', '{{json .Config.Labels}}', id]),
    ) as object;
    expect(labels).toMatchObject({ own: '1', bare: '', 'from.file': 'yes' });
    const found = await instance.berthOk([
      'ps',
      '-aq',
      '--no-trunc',
      '-f',
      'label=from.file=yes',
      '-f',
      'label=bare',
    ]);
    expect(found).toBe(id);
    await instance.berthOk(['rm', id]);
  });

  it('an entrypoint in place of the image’s', async () => {
    const { stdout } = await instance.berth(['run', '--rm', '--entrypoint', 'echo', 'busybox', 'a', 'b c']);
    expect(stdout).toBe('a b c\n');
  });

  it('a host name with its domain, and other hosts by name, the host among them', async () => {
    const options = ['-h', 'boat', '--domainname', 'sea.example', '--add-host', 'port:10.1.2.3'];
    const [name, domain, hosts] = (
      await inBusybox('hostname; cat /proc/sys/kernel/domainname; grep -E "boat|port" /etc/hosts', ...options)
    ).split(/\n(?!.*\n.*\n)/s);
    expect([name, domain, hosts].join('\n')).toMatch(/^boat\nsea\.example\n/);
    expect(hosts).toContain('boat.sea.example\tboat');
    const gateway = await inBusybox(
      `ip route | awk '/default/ {print $3}'; awk '/engine/ {print $1}' /etc/hosts`,
      ...['--add-host', 'engine=host-gateway'],
    );
    const [route, address] = gateway.split('\n');
    expect(address).toBe(route);
    const wrong = await instance.berth(['create', '--add-host', 'port:north', 'busybox', 'true']);
    expect(wrong.stderr).toContain('invalid IP address in add-host: "north"');
  });

  it('its own resolvers, search domains and options', async () => {
    const options = ['--dns', '10.9.8.7', '--dns-search', 'sea.example', '--dns-option', 'ndots:3'];
    expect((await inBusybox('cat /etc/resolv.conf', ...options)).split('\n')).toEqual(
      expect.arrayContaining(['nameserver 10.9.8.7', 'search sea.example', 'options ndots:3']),
    );
    const wrong = await instance.berth(['create', '--dns', 'north', 'busybox', 'true']);
    expect(wrong.stderr).toContain('"north" is no IP address');
  });

  it('standard input in all its forms: a file’s end, a half-closed connection, none', async () => {
    const piped = (...options: string[]) =>
      instance.berth(['run', '--rm', ...options, 'busybox', 'cat'], { input: 'piped in' });
    expect((await piped('-i')).stdout).toBe('piped in');
    expect((await piped()).stdout).toBe('');
    expect((await piped('-a', 'stdin', '-a', 'stdout', '-i')).stdout).toBe('piped in');
    const script = 'read line; echo "got $line"; cat > /dev/null; echo ended; exit 4';
    const closed = await instance.berth(['run', '--rm', '-i', 'busybox', 'sh', '-c', script], {
      input: 'a\nb',
    });
    expect(closed).toEqual({ code: 4, stdout: 'got a\nended\n', stderr: '' });
    const detached = await instance.berthOk(['run', '-d', '-i', 'busybox', 'cat']);
    const request = `POST /containers/${detached}/attach?stream=1&stdin=1&stdout=1`;
    const step = { name: 'attach', kind: 'hijack', request, input: 'late\n' } as const;
    expect((await sendHijack(instance.socketPath, step, request)).body.toString()).toContain('late\n');
    await instance.berthOk(['rm', '-f', detached]);
  });

  it('its id in a file, and never over another one', async () => {
    const file = `${folder}/id`;
    const id = await instance.berthOk(['create', '--cidfile', file, 'busybox', 'true']);
    expect(await readFile(file, 'utf8')).toBe(id);
    const again = await instance.berth(['create', '--cidfile', file, 'busybox', 'true']);
    expect(again.stderr).toContain(`container ID file found: ${file}`);
    await instance.berthOk(['rm', id]);
  });

  it('the names and resolvers of the host on the network of the host', async () => {
    const script = 'cat /etc/hostname /etc/hosts; cat /etc/resolv.conf';
    const text = await inBusybox(script, '--network', 'host', '--add-host', 'port:10.1.2.3');
    expect(text.split('\n')[0]).toBe(hostname());
    expect(text).toContain((await readFile('/etc/hosts', 'utf8')).trim());
    expect(text).toContain('10.1.2.3\tport');
    const servers = (await readFile('/etc/resolv.conf', 'utf8')).match(/^nameserver .*$/gm) ?? [];
    for (const server of servers) expect(text).toContain(server);
  });
});
