import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { FirstBootData } from '../systems.ts';
import { isoImage } from './iso9660.ts';
import { noCloudMedia } from './nocloud-medium.ts';

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILlkaHKJDFK0000KJDHFKJSDHF0000000000000000000 me@here';
const data: FirstBootData & { readonly instance: string } = {
  ...{ instance: '0123abcd', hostname: 'one', user: 'ada', sshKeys: [KEY], packages: [], run: [] },
};

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp('/tmp/berth-first-boot-');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** The files of a medium by their whole names, found as systems find them: by Joliet's descriptor and its folder. */
function filesIn(medium: Buffer): Map<string, string> {
  const root = medium.readUInt32LE(17 * 2048 + 156 + 2) * 2048;
  const files = new Map<string, string>();
  for (let at = root; medium[at] !== 0; at += medium.readUInt8(at)) {
    const name = Buffer.from(medium.subarray(at + 33, at + 33 + medium.readUInt8(at + 32)));
    const start = medium.readUInt32LE(at + 2) * 2048;
    const isFolder = (medium.readUInt8(at + 25) & 2) !== 0;
    if (isFolder) continue;
    files.set(
      name.swap16().toString('utf16le'),
      medium.toString('utf8', start, start + medium.readUInt32LE(at + 10)),
    );
  }
  return files;
}

async function write(wanted: Parameters<typeof noCloudMedia.write>[1]): Promise<string> {
  const path = join(folder, 'seed.iso');
  await noCloudMedia.write(path, wanted);
  return path;
}

describe('the medium', () => {
  it('has the label and the files that NoCloud looks for', async () => {
    const path = await write({
      ...data,
      cards: [{ macAddress: '52:54:00:00:00:01', search: [], network: 'dhcp' }],
    });
    const medium = await readFile(path);
    expect(medium.toString('latin1', 16 * 2048 + 40, 16 * 2048 + 72)).toBe('CIDATA'.padEnd(32));
    const files = filesIn(medium);
    expect([...files.keys()]).toEqual(['meta-data', 'network-config', 'user-data']);
    expect(parse(files.get('meta-data') ?? '')).toEqual({
      'instance-id': '0123abcd',
      'local-hostname': 'one',
    });
  });

  it('can be read by its owner alone', async () => {
    expect((await stat(await write(data))).mode & 0o777).toBe(0o600);
  });

  it('says its size in its descriptors', async () => {
    const medium = await readFile(await write(data));
    const descriptors = [16, 17].map((sector) => medium.subarray(sector * 2048, (sector + 1) * 2048));
    for (const descriptor of descriptors) expect(descriptor.readUInt32LE(80) * 2048).toBe(medium.length);
  });

  it('has files of any length at the sectors that it says', () => {
    const medium = isoImage(
      'CIDATA',
      [
        { name: 'user-data', data: Buffer.alloc(5000, 'u') },
        { name: 'meta-data', data: Buffer.from('m') },
        { name: 'empty', data: Buffer.alloc(0) },
      ],
      new Date(0),
    );
    expect(medium.length).toBe((16 + 3 + 6 + 3 + 1) * 2048);
    expect(medium.subarray(25 * 2048, 25 * 2048 + 5000).toString()).toBe('u'.repeat(5000));
    expect(medium.subarray(28 * 2048).toString()).toMatch(/^m\0+$/);
  });

  it.each(['', 'a/b', 'a;1', 'x'.repeat(65), 'ü'])('has no file called "%s"', (name) => {
    expect(() => isoImage('X', [{ name, data: Buffer.alloc(0) }], new Date())).toThrow('cannot be the name');
  });
});

describe('the user-data', () => {
  const written = async (wanted: Partial<FirstBootData>) => {
    const files = filesIn(await readFile(await write({ ...data, ...wanted })));
    return files.get('user-data') ?? '';
  };

  it("makes the wanted user in the place of the system's own, with its keys", async () => {
    expect(parse(await written({}))).toEqual({ user: { name: 'ada' }, ssh_authorized_keys: [KEY] });
  });

  it('lets root in when root is wanted', async () => {
    expect(parse(await written({ user: 'root' }))).toMatchObject({ disable_root: false, users: [] });
  });

  it('installs packages and runs commands, whatever characters they have', async () => {
    const run = ['echo "a: b" > \'/tmp/x\' # no comment', '- not a list', 'printf "%s\\n" "${HOME}"'];
    const config = parse(await written({ packages: ['nginx', 'g++'], run }));
    expect(config).toMatchObject({ package_update: true, packages: ['nginx', 'g++'], runcmd: run });
  });

  it("is the user's own as it is, where there is one", async () => {
    const userData = '#cloud-config\n# mine\npackages: [hello]\n';
    expect(await written({ userData, packages: ['nginx'] })).toBe(userData);
  });
});

describe('the network-config', () => {
  const written = async (cards: FirstBootData['cards']) => {
    const files = filesIn(await readFile(await write({ ...data, ...(cards && { cards }) })));
    return parse(files.get('network-config') ?? '');
  };

  it('knows cards by their MAC addresses', async () => {
    const config = await written([{ macAddress: '52:54:00:AB:00:01', search: [], network: 'dhcp' }]);
    expect(config.ethernets).toEqual({ card0: { match: { macaddress: '52:54:00:ab:00:01' }, dhcp4: true } });
  });

  it('names the search domains of a card, beside what it is told by DHCP', async () => {
    const search = ['example.org', 'shop'];
    const config = await written([{ macAddress: '52:54:00:00:00:01', search, network: 'dhcp' }]);
    expect(config.ethernets.card0).toMatchObject({ dhcp4: true, nameservers: { search } });
  });

  it('gives static addresses with routes that old versions understand', async () => {
    const network = {
      addresses: ['10.1.0.2/24', 'fd00::2/64'],
      gateways: ['10.1.0.1', 'fd00::1'],
      nameServers: ['10.1.0.1'],
    };
    const config = await written([{ macAddress: '52:54:00:00:00:02', search: ['example.org'], network }]);
    expect(config.ethernets.card0).toMatchObject({
      addresses: ['10.1.0.2/24', 'fd00::2/64'],
      routes: [
        { to: '0.0.0.0/0', via: '10.1.0.1' },
        { to: '::/0', via: 'fd00::1' },
      ],
      nameservers: { addresses: ['10.1.0.1'], search: ['example.org'] },
    });
  });
});

describe('what cloud-init would not understand is refused', () => {
  const check = (wanted: Partial<FirstBootData>) => noCloudMedia.check({ ...data, ...wanted });
  const secret = 'hunter2';

  it.each([
    ['a value that does not end', `#cloud-config\npassword: "${secret}\n`, 'line 3, column 1'],
    ['an indentation', `#cloud-config\nusers:\n  - name: a\n   groups: ${secret}\n`, 'line 4, column 1'],
    ['a tab', '#cloud-config\nusers:\n\t- a\n', 'line 3, column 1'],
    ['a second document', '#cloud-config\na: 1\n---\nb: 2\n', 'line 3, column 1'],
    ['a tag of its own', '#cloud-config\na: !secret x\n', 'line 2, column 4'],
    ['an alias of nothing', `#cloud-config\na: *${secret}\n`, 'line 2, column 4'],
    ['a list', '#cloud-config\n- a\n', 'line 2, column 1: it must be a mapping'],
    ['no first line', 'packages: [a]\n', 'line 1, column 1'],
    ['an archive that is no list', '#cloud-config-archive\na: 1\n', 'line 2, column 1: it must be a list'],
    ['a binary file', '#!/bin/sh\n\0', 'line 1, column 1: it is no text'],
  ])('%s, with its line and column', (_, userData, place) => {
    expect(() => check({ userData })).toThrow(place);
  });

  it.each([`chpasswd: {list: [a:${secret}\nb: ${secret}\n`, `a: *${secret}\n`, `a: b\n${secret}\nc: [\n`])(
    'and the message does not repeat the file, which may hold secrets',
    (text) => {
      const userData = `#cloud-config\n${text}`;
      expect(() => check({ userData })).toThrow(/line \d+/);
      expect(() => check({ userData })).not.toThrow(secret);
    },
  );

  it.each([
    ['a script', '#!/bin/sh\necho hello\n'],
    ['an empty configuration', '#cloud-config\n'],
    ['equal keys', '#cloud-config\na: 1\na: 2\n'],
    ['MIME multipart', 'Content-Type: multipart/mixed; boundary="x"\n\n--x--\n'],
    ['a list of files to fetch', '#include\nhttp://example.org/x\n'],
    ['a template', '## template: jinja\n#cloud-config\n{% if 1 %}a: b{% endif %}\n'],
    ['Windows line ends', '#cloud-config\r\na: b\r\n'],
  ])('%s is taken', (_, userData) => {
    expect(() => check({ userData })).not.toThrow();
  });

  it.each([
    ['nonsense', 'hello', 'authorized_keys'],
    ['two lines', `${KEY}\n${KEY}`, 'authorized_keys'],
    ['a private key', '-----BEGIN OPENSSH PRIVATE KEY-----', 'private SSH key'],
  ])('an SSH key: %s', (_, key, message) => {
    expect(() => check({ sshKeys: [key] })).toThrow(message);
  });

  it('but not a key with options', () => {
    expect(() => check({ sshKeys: [`from="10.0.0.0/8",no-pty ${KEY}`] })).not.toThrow();
  });

  it.each(['-o=x', 'a b', '', 'a;b'])('a package called "%s"', (name) => {
    expect(() => check({ packages: [name] })).toThrow('is no name of a package');
  });
});
