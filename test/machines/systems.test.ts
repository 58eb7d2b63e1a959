import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../src/base/index.ts';
import type { Instance } from '../engine/instance.ts';
import { makeIpxeSystem } from './ipxe-system.ts';
import { startWithSystems } from './systems.ts';

/** A page of two bytes for the first who asks; what he asked is printed. */
const ONE_ANSWER = 'printf "HTTP/1.0 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok" | nc -l -p 80';

const ASK = `:network
dhcp || goto network
:ask
imgfetch http://web/from-ipxe || goto again
:stay
sleep 3600
goto stay
:again
sleep 1
goto ask`;

/** Two systems that boot under emulation, on a machine that has other work: waited for, not measured. */
const SLOW_BOOT = 900_000;

const NAMES = ['bookworm', 'trixie', 'ipxe'] as const;
type Name = (typeof NAMES)[number];

describe('several systems at once', () => {
  let instance: Instance;
  let asked: Promise<string>;
  let home: string;

  beforeAll(async () => {
    instance = await startWithSystems();
    home = join(instance.dataRoot, '..', 'home');
    await mkdir(home);
    const folder = join(home, 'ipxe');
    await mkdir(folder);
    const image = await makeIpxeSystem(folder, ASK);
    await berthOk('pull', '-q', 'busybox:latest');
    await berthOk('network', 'create', 'lab');
    asked = berthOk('run', '--rm', '--name', 'web', '--network', 'lab', 'busybox', 'sh', '-c', ONE_ANSWER);
    await Promise.all([
      berthOk('vm', 'run', '--network', 'lab', '-m', '512m', '--from', 'debian:12', 'bookworm'),
      berthOk('vm', 'run', '--network', 'lab', '-m', '512m', '--from', 'debian:trixie', 'trixie'),
      berthOk('vm', 'run', '--network', 'lab', '-m', '256m', '--from', image, 'ipxe'),
    ]);
  });
  afterAll(async () => instance[Symbol.asyncDispose]());

  const berthOk = (...words: string[]) =>
    instance.berthOk(words, { env: { ...process.env, HOME: home, XDG_CONFIG_HOME: join(home, '.config') } });
  const ssh = (name: Name, command: string) => berthOk('vm', 'ssh', '--wait', '15m', name, command);

  it('a system that is no Linux boots beside them, asks a container by its name, and answers', async () => {
    expect(await asked).toContain('GET /from-ipxe HTTP/1.1');
    const ping = ['ping', '-c', '1', '-w', '60', 'ipxe'];
    expect(await berthOk('run', '--rm', '--network', 'lab', 'busybox', ...ping)).toContain(
      '1 packets received',
    );
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
      const disks = await ssh(name, "lsblk -dno SERIAL,RO; free -m | awk '/^Mem/ {print $2}'");
      const [root, seed, memory] = disks.split('\n').map((line) => line.trim().split(/\s+/));
      expect([root, seed]).toEqual([
        ['root', '0'],
        ['seed', '1'],
      ]);
      expect(Number(memory?.[0])).toBeLessThan(512);
    }
  });

  /** A machine's QEMU: its process, its user on the host, and the file of its first disk. */
  const computerOf = async (name: Name) => {
    const { body } = await instance.api(`GET /berth/machines/${name}/json`);
    const { Id: id, State: state } = body as { Id: string; State: { Pid: number } };
    const qemu = await qemuBelow(state.Pid);
    const status = await readFile(`/proc/${qemu}/status`, 'utf8');
    const disk = join(instance.dataRoot, 'containers', id, 'disks', 'root.qcow2');
    return { qemu, user: Number(/^Uid:\t(\d+)/m.exec(status)?.[1]), disk };
  };
});

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
