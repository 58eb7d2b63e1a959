import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { editsOf, readDevices, wishedDevices } from './cdi.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'berth-cdi-'));
});

afterEach(() => rm(folder, { recursive: true }));

const GPUS = `
cdiVersion: 0.6.0
kind: acme.com/gpu
containerEdits:
  env: [ACME=common]
devices:
  - name: "0"
    containerEdits:
      env: [ACME_GPU=0]
      deviceNodes: [{path: /dev/acme0, hostPath: /dev/null, permissions: rw}]
  - name: "1"
  - name: all
    containerEdits:
      mounts: [{hostPath: /usr/lib, containerPath: /acme, options: [ro, nosuid, bind]}]
      hooks: [{hookName: createContainer, path: /usr/bin/acme, args: [acme, hook]}]
`;

const wish = (more: object) => ({ driver: '', count: 0, deviceIds: [], capabilities: [['gpu']], ...more });

describe('devices of CDI specifications', () => {
  test('bring the edits of their kind and their own', async () => {
    await writeFile(join(folder, 'acme.yaml'), GPUS);
    const catalogue = await readDevices([folder]);
    const edits = await editsOf(catalogue, ['acme.com/gpu=0', 'acme.com/gpu=all']);
    expect(edits).toMatchObject({
      env: ['ACME=common', 'ACME_GPU=0', 'ACME=common'],
      devices: [{ access: 'rw', node: { path: '/dev/acme0', major: 1, minor: 3 } }],
      mounts: [{ source: '/usr/lib', destination: '/acme', readOnly: true, recursive: false }],
      hooks: { createContainer: [{ path: '/usr/bin/acme', args: ['acme', 'hook'] }] },
    });
  });

  test('are meant by their names, or as GPUs by number', async () => {
    await writeFile(join(folder, 'acme.yaml'), GPUS);
    const catalogue = await readDevices([folder]);
    expect(wishedDevices(catalogue, wish({ driver: 'cdi', deviceIds: ['acme.com/gpu=1'] }))).toEqual([
      'acme.com/gpu=1',
    ]);
    expect(wishedDevices(catalogue, wish({ count: -1 }))).toEqual(['acme.com/gpu=all']);
    expect(wishedDevices(catalogue, wish({ count: 1 }))).toEqual(['acme.com/gpu=0']);
    expect(wishedDevices(catalogue, wish({ driver: 'acme', deviceIds: ['1'] }))).toEqual(['acme.com/gpu=1']);
    expect(() => wishedDevices(catalogue, wish({ count: 3 }))).toThrow('there are 2 GPUs, not 3');
    expect(() => wishedDevices(catalogue, wish({ driver: 'other', count: 1 }))).toThrow(
      'could not select device driver "other" with capabilities: [[gpu]]',
    );
    expect(() => wishedDevices(catalogue, wish({ driver: 'cdi', deviceIds: ['acme.com/gpu=9'] }))).toThrow(
      'unresolvable CDI devices acme.com/gpu=9',
    );
  });

  test('of a later folder win, and a file that is wrong is left out with a warning', async () => {
    await writeFile(join(folder, 'a.json'), '{"kind":"acme.com/net","devices":[{"name":"0"}]}');
    await writeFile(join(folder, 'b.json'), '{"kind":"acme","devices":[]}');
    await writeFile(join(folder, 'c.txt'), 'no specification');
    const { devices, warnings } = await readDevices([join(folder, 'none'), folder]);
    expect([...devices.keys()]).toEqual(['acme.com/net=0']);
    expect(warnings).toEqual([
      `the CDI specification ${join(folder, 'b.json')} is left out: kind "acme" is not of the form vendor/class`,
    ]);
  });

  test('with a wrong edit are refused by their name', async () => {
    const device = { name: '0', containerEdits: { hooks: [{ hookName: 'never', path: '/x' }] } };
    await writeFile(join(folder, 'a.json'), JSON.stringify({ kind: 'acme.com/net', devices: [device] }));
    await expect(editsOf(await readDevices([folder]), ['acme.com/net=0'])).rejects.toThrow(
      'CDI device acme.com/net=0: hookName "never" is unknown',
    );
  });
});
