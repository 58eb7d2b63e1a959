import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../src/base/index.ts';
import { EngineClient } from '../../src/client/index.ts';
import type { Instance } from '../engine/instance.ts';
import { askFor, makeIpxeSystem, ONE_ANSWER } from './ipxe-system.ts';
import { startWithSystems } from './systems.ts';

const ASK = askFor('http://web/from-ipxe');

const SERVE_PAGES = 'mkdir /www; echo hello from a container >/www/index.html; exec httpd -f -h /www';

const NETWORK = { subnet: '10.213.40.0/24', gateway: '10.213.40.1', trixie: '10.213.40.77' };

/** Boots by UEFI, has the address that it is given, and serves a page when all of its first boot is done. */
const TRIXIE = [
  ...['--from', 'debian:trixie', '--firmware', 'uefi', '-m', '512m'],
  ...['--network', `name=lab,ip=${NETWORK.trixie}`, '-p', '80'],
  ...['--run', 'echo hello from trixie >/srv/index.html'],
  ...['--run', 'systemd-run python3 -m http.server -d /srv 80'],
  ...['--health', 'http://:80/', '--health-start-period', '15m'],
];

/** Boots by BIOS, from a disk that is larger than its image; when it is healthy, a container hears once who answers to ssh there. */
const project = (key: string) => `
services:
  caller:
    image: busybox
    command: sh -c 'nc bookworm 22 | head -n 1'
    depends_on: { bookworm: { condition: service_healthy } }
  bookworm:
    container_name: bookworm
    x-berth:
      machine: { from: "debian:12", memory: 512m, disks: { root: 10g }, ssh_keys: ["${key}"] }
    healthcheck: { test: [CMD, "ssh://"], start_period: 15m }
networks:
  default: { name: lab, external: true }
`;

/** Two systems that boot under emulation, on a machine that has other work: waited for, not measured. */
const SLOW_BOOT = 900_000;

const NAMES = ['bookworm', 'trixie', 'ipxe'] as const;
type Name = (typeof NAMES)[number];

let instance: Instance;
let client: EngineClient;
let home: string;
let asked: Promise<string>;
let composed: Promise<string>;

beforeAll(async () => {
  instance = await startWithSystems();
  client = new EngineClient({ host: `unix://${instance.socketPath}` });
  home = await mkdtemp(join(tmpdir(), 'systems-home-'));
  for (const name of ['ipxe', 'app']) await mkdir(join(home, name), { recursive: true });
  const image = await makeIpxeSystem(join(home, 'ipxe'), ASK);
  await berthOk('pull', '-q', 'busybox:latest');
  await berthOk('network', 'create', '--subnet', NETWORK.subnet, '--gateway', NETWORK.gateway, 'lab');
  asked = berthOk('run', '--rm', '--name', 'web', '--network', 'lab', 'busybox', 'sh', '-c', ONE_ANSWER);
  await berthOk('run', '-d', '--name', 'pages', '--network', 'lab', 'busybox', 'sh', '-c', SERVE_PAGES);
  await Promise.all([
    berthOk('vm', 'run', ...TRIXIE, 'trixie'),
    berthOk('vm', 'run', '--network', 'lab', '-m', '256m', '--from', image, 'ipxe'),
  ]);
  const key = await readFile(join(home, '.config/berth/machine_ed25519.pub'), 'utf8');
  await writeFile(join(home, 'app/compose.yaml'), project(key.trim()));
  await compose('up', '-d', 'bookworm');
  composed = compose('up', '-d');
});
afterAll(async () => {
  client[Symbol.dispose]();
  await instance[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true });
});

const environment = () => ({ ...process.env, HOME: home, XDG_CONFIG_HOME: join(home, '.config') });
const berthOk = (...words: string[]) => instance.berthOk(words, { env: environment() });
const compose = (...words: string[]) =>
  instance.berthOk(['compose', ...words], { env: environment(), cwd: join(home, 'app') });
const inContainer = (...words: string[]) => berthOk('run', '--rm', '--network', 'lab', 'busybox', ...words);
const ssh = (name: Name, command: string) => berthOk('vm', 'ssh', '--wait', '15m', name, command);
/** As root, by QEMU's agent: a login by ssh takes an emulated processor some seconds. */
const inside = (name: Name, command: string) => berthOk('vm', 'exec', name, 'sh', '-c', command);
const fetchByPython = (url: string) =>
  `python3 -c 'import urllib.request as r; print(r.urlopen("${url}").read().decode())'`;

describe('several systems at once', () => {
  it('a system that is no Linux boots beside them, asks a container by its name, and answers', async () => {
    expect(await asked).toContain('GET /from-ipxe HTTP/1.1');
    expect(await inContainer('ping', '-c', '1', '-w', '60', 'ipxe')).toContain('1 packets received');
  });

  it("none of their QEMUs can reach another's disks or memory", async () => {
    const computers = await Promise.all(NAMES.map(async (name) => [name, await computerOf(name)] as const));
    expect(new Set(computers.map(([, { user }]) => user)).size).toBe(NAMES.length);
    for (const [name, { qemu, user }] of computers) {
      for (const [other, { disk, qemu: otherQemu }] of computers) {
        const found = await run('find', [`/proc/${qemu}/root/`, '-samefile', disk]);
        expect({ name, other, found: found.stdout.toString() !== '' }).toEqual({
          name,
          other,
          found: name === other,
        });
        if (name === other) continue;
        for (const file of [disk, `/proc/${otherQemu}/mem`, `/proc/${otherQemu}/root/`]) {
          expect(await reads(user, file)).toContain('Permission denied');
        }
      }
    }
  });

  it(
    'two releases of Debian with kernels of their own boot, and are reached by ssh',
    async () => {
      const seen = await Promise.all(
        (['bookworm', 'trixie'] as const).map((name) =>
          ssh(name, 'uname -r; hostname; . /etc/os-release; echo $VERSION_CODENAME; sudo id -u'),
        ),
      );
      expect(seen.map((text) => text.split('\n'))).toEqual([
        [expect.stringMatching(/^6\.1\./), 'bookworm', 'bookworm', '0'],
        [expect.stringMatching(/^6\.12\./), 'trixie', 'trixie', '0'],
      ]);
    },
    SLOW_BOOT,
  );

  it('each sees its own disks and its own memory alone', async () => {
    for (const name of ['bookworm', 'trixie'] as const) {
      const disks = await inside(name, "lsblk -dno SERIAL,RO; free -m | awk '/^Mem/ {print $2}'");
      const [root, seed, memory] = disks.split('\n').map((line) => line.trim().split(/\s+/));
      expect([root, seed]).toEqual([
        ['root', '0'],
        ['seed', '1'],
      ]);
      expect(Number(memory?.[0])).toBeLessThan(512);
    }
  });
});

describe('a Debian system', () => {
  it('boots by UEFI as well as by BIOS', async () => {
    const firmware = 'test -d /sys/firmware/efi && echo UEFI || echo BIOS';
    expect(await Promise.all([inside('trixie', firmware), inside('bookworm', firmware)])).toEqual([
      'UEFI',
      'BIOS',
    ]);
  });

  it('takes all of a larger disk, and is content with one that has no more', async () => {
    expect(Number(await inside('bookworm', 'findmnt -bno SIZE /'))).toBeGreaterThan(9.5 * 1024 ** 3);
    for (const name of ['bookworm', 'trixie'] as const)
      expect(await inside(name, 'systemctl is-active systemd-repart')).toBe('active');
  });

  it('takes the room of a disk that has grown while it runs, when it is told to', async () => {
    await berthOk('vm', 'set', '--disk', 'root:9g', 'trixie');
    const seen = 'until [ "$(cat /sys/class/block/vda/size)" = 18874368 ]; do sleep 0.1; done';
    await inside('trixie', `${seen}; systemctl restart systemd-repart && /usr/lib/systemd/systemd-growfs /`);
    expect(Number(await inside('trixie', 'findmnt -bno SIZE /'))).toBeGreaterThan(8.5 * 1024 ** 3);
  });
});

describe('a machine among containers', () => {
  it(
    'is healthy when its system answers as its check wants it',
    async () => {
      await healthy('trixie');
      const answer = { ExitCode: 0, Output: expect.stringMatching(/^HTTP 200 OK/) };
      expect(await instance.api('GET /berth/machines/trixie/json')).toMatchObject({
        body: { State: { Health: { Log: expect.arrayContaining([expect.objectContaining(answer)]) } } },
      });
    },
    SLOW_BOOT,
  );

  it('is found by its name, and finds containers and machines by theirs', async () => {
    expect(await inContainer('wget', '-qO-', 'http://trixie')).toBe('hello from trixie');
    expect(await inside('trixie', fetchByPython('http://pages/'))).toContain('hello from a container');
    expect(await inside('bookworm', fetchByPython('http://trixie/'))).toContain('hello from trixie');
  });

  it('has the address that it was given', async () => {
    expect(await inside('trixie', 'ip -4 -o address show scope global')).toContain(` ${NETWORK.trixie}/24 `);
    expect(await inContainer('ping', '-c', '1', '-w', '60', 'trixie')).toContain(
      `PING trixie (${NETWORK.trixie})`,
    );
  });

  it('is reached by its published port, at loopback as at another address of the host', async () => {
    const { Ports: ports } = await client.machines.inspect('trixie');
    const port = ports.find(({ PrivatePort }) => PrivatePort === 80)?.PublicPort;
    for (const host of ['127.0.0.1', NETWORK.gateway]) {
      const answer = await fetch(`http://${host}:${port}/`);
      expect([host, answer.status, await answer.text()]).toEqual([host, 200, 'hello from trixie\n']);
    }
  });
});

describe("QEMU's agent in a Debian system", () => {
  it('runs commands as root, with input, variables, a folder, and their status', async () => {
    const script = 'id -u; pwd; echo "$A"; cat; echo bad >&2; exit 3';
    const words = ['vm', 'exec', '-i', '-e', 'A=b c', '-w', '/srv', 'trixie', 'sh', '-c', script];
    expect(await instance.berth(words, { input: 'input' })).toEqual({
      code: 3,
      stdout: '0\n/srv\nb c\ninput',
      stderr: 'bad\n',
    });
  });

  it('copies folders in and out, as they are', async () => {
    const folder = join(home, 'copied');
    await mkdir(folder);
    await writeFile(join(folder, 'run.sh'), '#!/bin/sh\necho runs\n', { mode: 0o750 });
    await writeFile(join(folder, 'large'), Buffer.alloc(300_000, 'large'));
    await symlink('run.sh', join(folder, 'link'));
    await berthOk('vm', 'cp', folder, 'trixie:/srv');
    expect(await inside('trixie', '/srv/copied/link; stat -c %a /srv/copied/run.sh')).toBe('runs\n750');
    await berthOk('vm', 'cp', 'trixie:/srv/copied', join(home, 'back'));
    const difference = await run('diff', ['-r', '--no-dereference', folder, join(home, 'back')]);
    expect(difference.stdout.toString()).toBe('');
    expect(await berthOk('vm', 'cp', 'trixie:/etc/hostname', join(home, 'hostname'))).toBe('');
    expect(await readFile(join(home, 'hostname'), 'utf8')).toBe('trixie\n');
  });
});

/** What ends them comes last. */
describe('in the end', () => {
  it(
    'what depends on the health of a machine in Compose has waited for it, and down takes it away with its disks',
    async () => {
      await composed;
      await berthOk('wait', 'app-caller-1');
      expect(await compose('logs', '--no-log-prefix', 'caller')).toMatch(/^SSH-2\.0-OpenSSH/);
      expect(await compose('ps', '--format', '{{.Name}} {{.State}}')).toBe('bookworm running');
      const { disk } = await computerOf('bookworm');
      await compose('down', '-t', '0');
      await expect(stat(disk)).rejects.toMatchObject({ code: 'ENOENT' });
      const left = await client.machines.list({ all: true });
      expect(left.map(({ Name }) => Name).toSorted()).toEqual(['ipxe', 'trixie']);
    },
    SLOW_BOOT,
  );

  it("a Debian system switches itself off at its machine's power button", async () => {
    await berthOk('vm', 'stop', '-t', '-1', 'trixie');
    const { State: state } = await client.machines.inspect('trixie');
    expect(state).toMatchObject({ Status: 'exited', ExitCode: 0 });
  });
});

/** Resolves when a machine is healthy, also if it has become so before. */
async function healthy(name: Name): Promise<void> {
  const stop = new AbortController();
  const filters = { type: ['machine'], event: ['health_status'] };
  const events = await client.system.events({ filters, since: '1', signal: stop.signal });
  for await (const { Action: action, Actor: actor } of events)
    if (actor.Attributes.name === name && action === 'health_status: healthy') break;
  stop.abort();
}

/** A machine's QEMU: its process, its user on the host, and the file of its first disk. */
async function computerOf(name: Name) {
  const { body } = await instance.api(`GET /berth/machines/${name}/json`);
  const { Id: id, State: state } = body as { Id: string; State: { Pid: number } };
  const qemu = await qemuBelow(state.Pid);
  const status = await readFile(`/proc/${qemu}/status`, 'utf8');
  const disk = join(instance.dataRoot, 'containers', id, 'disks', 'root.qcow2');
  return { qemu, user: Number(/^Uid:\t(\d+)/m.exec(status)?.[1]), disk };
}
async function qemuBelow(monitor: number): Promise<number> {
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const status = await readFile(`/proc/${name}/status`, 'utf8').catch(() => '');
    if (/^Name:\tqemu/m.test(status) && status.includes(`\nPPid:\t${monitor}\n`)) return Number(name);
  }
  throw new Error(`no QEMU below ${monitor}`);
}

/** What reading a file says to a user without any capability. */
async function reads(user: number, file: string): Promise<string> {
  const nobody = [
    `--reuid=${user}`,
    `--regid=${user}`,
    '--clear-groups',
    '--inh-caps=-all',
    '--bounding-set=-all',
  ];
  const { stderr } = await run('setpriv', [...nobody, 'head', '-c1', file]);
  return stderr;
}
