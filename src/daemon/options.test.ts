import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { parseHost, readOptions } from './options.ts';

const folder = mkdtempSync('/tmp/berth-options-');
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;
const fileWith = (text: string) => {
  files += 1;
  const path = `${folder}/daemon-${files}.json`;
  writeFileSync(path, text);
  return path;
};
const empty = fileWith('{}');

describe("berthd's options", () => {
  it('default to folders and a socket of its own', () => {
    expect(readOptions(['--config-file', empty])).toMatchObject({
      dataRoot: '/var/lib/berth',
      execRoot: '/run/berth',
      hosts: [{ kind: 'unix', path: '/run/berth/berth.sock' }],
      mirrors: [],
    });
  });

  it("come from the configuration file with dockerd's keys", () => {
    const path = fileWith(
      '{"data-root":"/data","hosts":["tcp://127.0.0.1:2375"],"registry-mirrors":["http://m"]}',
    );
    expect(readOptions(['--config-file', path])).toMatchObject({
      dataRoot: '/data',
      hosts: [{ kind: 'tcp', host: '127.0.0.1', port: 2375 }],
      mirrors: ['http://m'],
    });
  });

  it('are repeatable where dockerd has them so', () => {
    const { hosts } = readOptions(['--config-file', empty, '-H', 'unix:///a', '--host', 'tcp://:1']);
    expect(hosts).toEqual([
      { kind: 'unix', path: '/a' },
      { kind: 'tcp', host: '127.0.0.1', port: 1 },
    ]);
  });

  it.each([
    ['{"data-root": 7}', '"data-root" must be a string'],
    ['{"colour": "red"}', 'does not have the option "colour"'],
    ['{', 'is no JSON'],
    ['[]', 'must hold a JSON object'],
  ])('refuse the configuration file %s with the reason', (text, message) => {
    expect(() => readOptions(['--config-file', fileWith(text)])).toThrow(message);
  });

  it('refuse an option that stands in both places', () => {
    const path = fileWith('{"data-root":"/data"}');
    expect(() => readOptions(['--config-file', path, '--data-root', '/other'])).toThrow('data-root');
  });

  it('refuse unknown flags, relative paths, and a file that is not there', () => {
    expect(() => readOptions(['--colour'])).toThrow("unknown option '--colour'");
    expect(() => readOptions(['--config-file', empty, '--data-root', 'here'])).toThrow('absolute path');
    expect(() => readOptions(['--config-file', '/no/such/file'])).toThrow('/no/such/file');
  });

  it('bound how many layers are on their way, as by dockerd, and refuse what is no number', () => {
    expect(readOptions(['--config-file', empty]).transfers).toEqual({ downloads: 3, uploads: 5 });
    const path = fileWith('{"max-concurrent-uploads":1}');
    const { transfers } = readOptions(['--config-file', path, '--max-concurrent-downloads', '7']);
    expect(transfers).toEqual({ downloads: 7, uploads: 1 });
    expect(() => readOptions(['--config-file', empty, '--max-concurrent-uploads', '0'])).toThrow(
      '--max-concurrent-uploads must be a number from 1 on, not "0"',
    );
    const wrong = fileWith('{"max-concurrent-downloads":"3"}');
    expect(() => readOptions(['--config-file', wrong])).toThrow('must be a number from 1 on');
  });

  it('choose how layers are kept, and refuse what is no format', () => {
    expect(readOptions(['--config-file', empty]).layerFormat).toBeUndefined();
    expect(readOptions(['--config-file', empty, '--layer-format', 'folder']).layerFormat).toBe('folder');
    expect(() => readOptions(['--config-file', empty, '--layer-format', 'zip'])).toThrow('"zip"');
  });

  it('say where subnets come from, as to dockerd, and refuse what is no pool', () => {
    expect(readOptions(['--config-file', empty]).addressPools).toEqual([]);
    const flag = ['--default-address-pool', 'base=10.10.0.0/16,size=24'];
    const both = [...flag, '--default-address-pool', 'base=fd00:9::/48,size=64'];
    const pool = { base: '10.10.0.0/16', size: 24 };
    expect(readOptions(['--config-file', empty, ...both]).addressPools).toEqual([
      pool,
      { base: 'fd00:9::/48', size: 64 },
    ]);
    const path = fileWith(JSON.stringify({ 'default-address-pools': [pool] }));
    expect(readOptions(['--config-file', path]).addressPools).toEqual([pool]);
    expect(() => readOptions(['--config-file', path, ...flag])).toThrow('default-address-pools');
    for (const [wrong, reason] of [
      ['size=24', 'the base is missing'],
      ['base=10.10.0.0/16', 'the size is missing or no number'],
      ['base=10.10.0.0/16,size=24,mtu=1', 'unknown field "mtu"'],
    ] as const) {
      const args = ['--config-file', empty, '--default-address-pool', wrong];
      expect(() => readOptions(args)).toThrow(reason);
    }
    const noPool = fileWith('{"default-address-pools":["10.0.0.0/8"]}');
    expect(() => readOptions(['--config-file', noPool])).toThrow('the base is missing');
  });

  it('refuse addresses that nobody can listen on', () => {
    expect(() => parseHost('localhost:80')).toThrow('invalid host address');
    expect(() => parseHost('tcp://localhost')).toThrow('invalid host address');
    expect(() => parseHost(`unix:///${'x'.repeat(110)}`)).toThrow('longer than 107 bytes');
  });
});
