import { describe, expect, it } from 'vitest';
import { decodeFields, rawJson } from '../base/index.ts';
import {
  BARE_SETUP,
  connectPayload,
  type GuestSetup,
  setupPayload,
  startPayload,
  workerPayload,
} from './from-spec.ts';
import {
  fileTag,
  guestWorker,
  interfaceTag,
  mountTag,
  processTag,
  routeTag,
  setupTag,
} from './guest-protocol.ts';

const valuesOf = (payload: Buffer, tag: number) =>
  decodeFields(payload).flatMap((field) => (field.tag === tag ? [field.value] : []));
const textsOf = (payload: Buffer, tag: number) => valuesOf(payload, tag).map(String);
const numbersOf = (payload: Buffer, tag: number) =>
  valuesOf(payload, tag).map((value) => value.readBigUInt64LE());

const process = {
  args: ['sh', '-c', 'true'],
  env: ['PATH=/bin', 'A=b'],
  cwd: '/srv',
  user: { uid: 7, gid: 8, additionalGids: [9, 10] },
  terminal: false,
  noNewPrivileges: false,
};

describe('a process of a guest', () => {
  it('has the arguments, variables, folder, user and groups of its OCI form', () => {
    const payload = startPayload(process, { capabilities: 0b101n, stdin: false });
    expect(textsOf(payload, processTag.argument)).toEqual(['sh', '-c', 'true']);
    expect(textsOf(payload, processTag.environment)).toEqual(['PATH=/bin', 'A=b']);
    expect(textsOf(payload, processTag.directory)).toEqual(['/srv']);
    expect(numbersOf(payload, processTag.uid)).toEqual([7n]);
    expect(numbersOf(payload, processTag.gid)).toEqual([8n]);
    expect(numbersOf(payload, processTag.group)).toEqual([9n, 10n]);
  });

  it('has the capabilities in the three sets that an OCI runtime fills, and none in the others', () => {
    const payload = startPayload(process, { capabilities: 0b101n, stdin: false });
    for (const set of [processTag.bounding, processTag.effective, processTag.permitted]) {
      expect(numbersOf(payload, set)).toEqual([0b101n]);
    }
    expect(numbersOf(payload, processTag.inheritable)).toEqual([]);
    expect(numbersOf(payload, processTag.ambient)).toEqual([]);
  });

  it('has limits by their numbers, an endless one with all bits', () => {
    const endless = rawJson('18446744073709551615');
    const rlimits = [
      { type: 'RLIMIT_NOFILE', soft: 64, hard: 128 },
      { type: 'RLIMIT_CORE', soft: 0, hard: endless },
    ];
    const payload = startPayload({ ...process, rlimits }, { capabilities: 0n, stdin: false });
    const limits = valuesOf(payload, processTag.rlimit).map((bytes) =>
      [0, 8, 16].map((at) => bytes.readBigUInt64LE(at)),
    );
    expect(limits).toEqual([
      [7n, 64n, 128n],
      [4n, 0n, 0xffff_ffff_ffff_ffffn],
    ]);
    expect(() =>
      startPayload(
        { ...process, rlimits: [{ type: 'RLIMIT_MOOD', soft: 1, hard: 1 }] },
        { capabilities: 0n, stdin: false },
      ),
    ).toThrow('RLIMIT_MOOD');
  });

  it('says terminal, input, init and stop signal only where they are wanted', () => {
    const plain = decodeFields(startPayload(process, { capabilities: 0n, stdin: false })).map(
      ({ tag }) => tag,
    );
    const optional = [
      'terminal',
      'rows',
      'stdin',
      'init',
      'stopSignal',
      'stopGroup',
      'noNewPrivileges',
    ] as const;
    for (const name of optional) expect(plain).not.toContain(processTag[name]);
    const full = startPayload(
      { ...process, terminal: true, noNewPrivileges: true, consoleSize: { height: 24, width: 80 } },
      { capabilities: 0n, stdin: true, init: true, stopSignal: 15 },
    );
    for (const name of optional) expect(numbersOf(full, processTag[name])).toHaveLength(1);
    expect(numbersOf(full, processTag.rows)).toEqual([24n]);
    expect(numbersOf(full, processTag.stopSignal)).toEqual([15n]);
  });

  it('may be one of berth’s own workers', () => {
    expect(numbersOf(workerPayload('changes'), processTag.worker)).toEqual([BigInt(guestWorker.changes)]);
    const connection = connectPayload(80, ['127.0.0.1', '::1']);
    expect(numbersOf(connection, processTag.worker)).toEqual([BigInt(guestWorker.connect)]);
    expect(textsOf(connection, processTag.argument)).toEqual(['80', '127.0.0.1', '::1']);
  });
});

const setup: GuestSetup = { ...BARE_SETUP, hostname: 'web', layers: 3, hasDisk: true, shmSize: 64 };

describe('the set-up of a guest', () => {
  it('numbers the partitions of the layers from one on, the bottom one first', () => {
    expect(numbersOf(setupPayload(setup), setupTag.layer)).toEqual([1n, 2n, 3n]);
  });

  it('gives each card its addresses, and the way out', () => {
    const payload = setupPayload({
      ...setup,
      interfaces: [
        {
          macAddress: '02:42:ac:11:00:02',
          name: 'eth0',
          mtu: 1400,
          addresses: ['172.17.0.2/16', 'fd00::2/64'],
        },
      ],
      routes: [{ gateway: '172.17.0.1', interface: 'eth0' }],
    });
    const [card = Buffer.alloc(0)] = valuesOf(payload, setupTag.interface);
    expect(valuesOf(card, interfaceTag.newMac)).toEqual([Buffer.from([2, 0x42, 0xac, 0x11, 0, 2])]);
    expect(valuesOf(card, interfaceTag.mac)).toEqual([]);
    expect(textsOf(card, interfaceTag.name)).toEqual(['eth0']);
    expect(numbersOf(card, interfaceTag.mtu)).toEqual([1400n]);
    expect(textsOf(card, interfaceTag.address)).toEqual(['172.17.0.2/16', 'fd00::2/64']);
    const [route = Buffer.alloc(0)] = valuesOf(payload, setupTag.route);
    expect(textsOf(route, routeTag.gateway)).toEqual(['172.17.0.1']);
    expect(valuesOf(route, routeTag.destination)).toEqual([]);
  });

  it('has mounts without the words that mean nothing in a guest', () => {
    const payload = setupPayload({
      ...setup,
      mounts: [
        { type: 'share', source: '/0', destination: '/data', options: ['rbind', 'rro', 'rprivate'] },
        { type: 'tmpfs', destination: '/scratch', options: ['noexec', 'size=64m', 'rprivate'] },
      ],
    });
    const [share = Buffer.alloc(0), scratch = Buffer.alloc(0)] = valuesOf(payload, setupTag.mount);
    expect(textsOf(share, mountTag.source)).toEqual(['/0']);
    expect(numbersOf(share, mountTag.readOnly)).toEqual([1n]);
    expect(textsOf(share, mountTag.options)).toEqual([]);
    expect(textsOf(scratch, mountTag.options)).toEqual(['noexec,size=64m']);
    expect(numbersOf(scratch, mountTag.readOnly)).toEqual([]);
  });

  it('has files, sysctls and limits', () => {
    const payload = setupPayload({
      ...setup,
      files: [{ path: '/etc/hosts', content: Buffer.from('127.0.0.1 localhost\n') }],
      sysctls: { 'net.core.somaxconn': '1024' },
      pidsLimit: 50,
      nameService: true,
    });
    const [file = Buffer.alloc(0)] = valuesOf(payload, setupTag.file);
    expect(textsOf(file, fileTag.path)).toEqual(['/etc/hosts']);
    expect(textsOf(file, fileTag.content)).toEqual(['127.0.0.1 localhost\n']);
    expect(textsOf(payload, setupTag.sysctl)).toEqual(['net.core.somaxconn=1024']);
    expect(numbersOf(payload, setupTag.pidsLimit)).toEqual([50n]);
    expect(numbersOf(payload, setupTag.nameService)).toEqual([1n]);
    expect(numbersOf(payload, setupTag.shmSize)).toEqual([64n]);
  });
});
