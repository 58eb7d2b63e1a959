import { mkdir, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runChecked } from '../../src/base/index.ts';
import { type Instance, startInstance } from '../engine/instance.ts';

describe('what no machine can have', () => {
  let instance: Instance;
  let image: string;
  beforeAll(async () => {
    instance = await startInstance();
    const folder = `${instance.dataRoot}/../images`;
    await mkdir(folder);
    image = `${folder}/system.qcow2`;
    await runChecked('qemu-img', ['create', '-q', '-f', 'qcow2', image, '64M']);
    await instance.berthOk(['pull', '-q', 'busybox:latest']);
    await instance.berthOk(['create', '--name', 'box', 'busybox', 'true']);
    await instance.berthOk(['vm', 'create', '--from', image, 'taken']);
  });
  afterAll(async () => instance[Symbol.asyncDispose]());

  /** What `berth vm create` says on standard error. */
  const refusal = async (...options: string[]) => {
    const { code, stdout, stderr } = await instance.berth(['vm', 'create', ...options]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    return stderr;
  };

  it('is refused at its creation, with the reason and the way out, and leaves nothing behind', async () => {
    const cases: readonly [readonly string[], string][] = [
      [['--from', image, 'taken'], 'the name taken is taken: a machine has it'],
      [['--from', image, 'box'], 'The container name "/box" is already in use by container'],
      [['--from', image, 'no/name'], 'Invalid container name (no/name)'],
      [[], 'a machine needs a system: a disk image, Debian, or an installer'],
      [['--from', '/nowhere/system.qcow2'], 'the disk image /nowhere/system.qcow2 does not exist'],
      [['--from', 'http://host/system.qcow2'], 'what is downloaded needs its sha256'],
      [['--from', image, '--network', 'nowhere'], 'network nowhere not found'],
      [['--from', image, '--network', 'host'], 'a machine cannot be on the network host'],
      [['--from', image, '--network', 'none', '-p', '80:80'], 'ports of a machine without a network cannot'],
      [['--from', image, '--disk', 'Data:1g'], '"Data" is no name of a disk'],
      [['--from', image, '--disk', 'a:1g', '--disk', 'a:2g'], 'two disks are called a'],
      [['--from', image, '--user', 'Root User'], '"Root User" is no name of a user'],
      [['--from', image, '--hostname', '-x'], '"-x" is no host name'],
      [['--from', image, '--health', 'curl localhost'], 'checked over its network, not by a command'],
      [['--from', image, '--restart', 'on-unhealthy'], 'on-unhealthy needs a health check'],
      [['--from', image, '-m', '1m'], 'it needs 128MiB'],
      [['--from', image, '-m', '99999g'], "is more than this host's"],
      [
        ['--from', image, '--cpus', '4000'],
        "a virtual machine with 4000 processors is more than this host's",
      ],
      [['--from', image, '--disk', 'root:1m'], 'a disk of 1MiB is too small for'],
    ];
    for (const [options, reason] of cases) expect(await refusal(...options)).toContain(reason);
    const { body } = await instance.api('GET /berth/machines/json?all=1');
    expect((body as { Name: string }[]).map(({ Name: name }) => name)).toEqual(['taken']);
  });

  it('is a wrong option of the command line', async () => {
    for (const [option, value, reason] of [
      ['--firmware', 'coreboot', 'Allowed choices are bios, uefi'],
      ['--machine', 'pdp11', 'Allowed choices are q35, pc, microvm'],
      ['--format', 'vmdk', 'Allowed choices are qcow2, raw'],
      ['--disk', 'data', 'it is not of the form NAME:SIZE'],
      ['--disk', 'data:big', "invalid size: 'big'"],
      ['--cpus', '-1', 'it is no number of CPUs'],
    ] as const) {
      const { code, stderr } = await instance.berth(['vm', 'create', '--from', image, option, value]);
      expect({ code, stderr }).toEqual({ code: 125, stderr: expect.stringContaining(reason) });
    }
  });

  it('is refused of the API by the name of its member', async () => {
    const source = { Kind: 'image', Path: image };
    for (const [body, reason] of [
      [{ Source: { Kind: 'floppy' } }, 'Source.Kind: "floppy" is none of image, debian and empty'],
      [{ Source: { Kind: 'image' } }, 'Source: an image has either a Path or a Url'],
      [{ Source: { Kind: 'image', Path: 'x.qcow2' } }, '"x.qcow2" is no absolute path'],
      [{ Source: { Kind: 'image', Url: 'ftp://x', Sha256: 'a'.repeat(64) } }, '"ftp://x" is no URL of http'],
      [{ Source: source, Firmware: 'coreboot' }, 'there is no firmware coreboot'],
      [{ Source: source, Model: 'pdp11' }, 'there is no machine type pdp11'],
      [{ Source: source, Memry: 1 }, "Memry is no member of a machine's description. Did you mean Memory?"],
      [{ Source: source, Memory: 1.5 }, 'Memory: 1.5 is no number of bytes'],
      [{ Source: source, Cpus: 0 }, 'Cpus: 0 is not more than 0'],
      [{ Source: source, Disks: [{ Name: 'data' }] }, 'the disk "data" has no size'],
      [{ Source: source, CloudInit: { SshKeys: ['-----BEGIN KEY'] } }, 'an SSH key is not as a line of'],
      [
        { Source: source, CloudInit: { UserData: '#cloud-config\nusers: [' } },
        'the cloud-init data is wrong in line 2',
      ],
    ] as const) {
      const answer = await instance.api('POST /berth/machines/create', body);
      expect(answer).toEqual({ status: 400, body: { message: expect.stringContaining(reason) } });
    }
  });

  it('is none of what containers have, and the other way round: each says whose the name is', async () => {
    for (const words of [['start'], ['rm'], ['logs'], ['inspect'], ['console'], ['ssh'], ['rename', 'x']]) {
      const [command = '', ...more] = words;
      const { code, stderr } = await instance.berth(['vm', command, 'box', ...more]);
      expect(code).not.toBe(0);
      expect(stderr).toContain('there is no machine box. box is a container: its commands come without "vm"');
    }
    for (const words of [['start'], ['rm'], ['logs'], ['exec', 'true'], ['rename', 'x'], ['cp', '/tmp']]) {
      const [command = '', ...more] = words;
      const operand = command === 'cp' ? 'taken:/etc/passwd' : 'taken';
      const { code, stderr } = await instance.berth([command, operand, ...more]);
      expect(code).not.toBe(0);
      expect(stderr).toContain('taken is a machine: its commands are those of berth vm');
    }
    expect(await instance.berthOk(['ps', '-a', '--format', '{{.Names}}'])).toBe('box');
    expect(await instance.berthOk(['vm', 'ls', '-aq'])).toBe('taken');
    const taken = await instance.berth(['create', '--name', 'taken', 'busybox', 'true']);
    expect(taken.stderr).toContain('the name taken is taken: a machine has it');
  });

  it('is asked of a machine that does not run', async () => {
    for (const [command, reason] of [
      ['console', 'the machine taken does not run. Start it (berth vm start taken)'],
      ['ssh', 'the machine taken does not run. Start it: berth vm start taken'],
      ['kill', 'the machine taken does not run. Start it: berth vm start taken'],
    ] as const) {
      const { code, stderr } = await instance.berth(['vm', command, 'taken']);
      expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining(reason) });
    }
    const spec = '{"Network": "nowhere"}';
    const answer = await instance.api('POST /berth/machines/taken/connect', JSON.parse(spec));
    expect(answer).toMatchObject({ status: 404, body: { message: 'network nowhere not found' } });
  });

  it('is a disk image that is none', async () => {
    const broken = `${instance.dataRoot}/../images/broken.qcow2`;
    await writeFile(broken, 'QFI\u00fb and nothing more');
    expect(await refusal('--from', broken, '--format', 'qcow2')).toContain('broken.qcow2');
  });
});
