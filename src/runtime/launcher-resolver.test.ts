import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runChecked } from '../base/index.ts';
import { missingForContainers } from './test-instance.ts';

const NATIVE = process.env.BERTH_NATIVE_DIRECTORY ?? join(import.meta.dirname, '../../native/build');
const missing = missingForContainers(join(NATIVE, 'berth-resolver'));
const reason = missing === undefined ? '' : ` (skipped: needs ${missing})`;

/** A host with systemd-resolved, as far as the launcher sees it: its own /run and /etc/resolv.conf. */
const HOST = `
  mount -t tmpfs tmpfs /run
  mkdir -p /run/systemd/resolve
  echo 'nameserver 192.0.2.1' > /run/systemd/resolve/resolv.conf
  mount --bind "$1/resolv.conf" /etc/resolv.conf
  exec "$2" "$1/l.sock" "$1" 3>&1
`;

describe.skipIf(missing !== undefined)(`the launcher and its resolver${reason}`, () => {
  let folder: string;
  let launcher: ChildProcess;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'berth-resolver-'));
    await writeFile(`${folder}/resolv.conf`, '# by resolved\nnameserver 127.0.0.53\noptions edns0\n');
    launcher = spawn(
      'unshare',
      [
        '--mount',
        '--propagation',
        'private',
        'sh',
        '-ec',
        HOST,
        'sh',
        folder,
        join(NATIVE, 'berth-launcher'),
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    if (launcher.stdout !== null) await once(launcher.stdout, 'data'); // it answers
  });
  afterEach(async () => {
    await end('SIGTERM');
    await rm(folder, { recursive: true });
  });

  async function end(signal: NodeJS.Signals): Promise<void> {
    if (launcher.exitCode !== null || launcher.signalCode !== null) return;
    const exited = once(launcher, 'exit');
    launcher.kill(signal);
    await exited;
  }

  const servers = () => readFile(`${folder}/n/host`, 'utf8');
  const resolverPid = async () => Number(await readFile(`${folder}/r.pid`, 'utf8'));
  const inHost = (script: string) =>
    runChecked('nsenter', [`--mount=/proc/${launcher.pid}/ns/mnt`, 'sh', '-ec', script]);

  test("names the servers behind systemd-resolved's stub, also when they change", async () => {
    expect(await servers()).toBe('nameserver 192.0.2.1\n');
    await inHost("cd /run/systemd/resolve; echo 'nameserver 192.0.2.2' > new; mv new resolv.conf");
    await expect.poll(servers, { timeout: 10_000 }).toBe('nameserver 192.0.2.2\n');
  });

  test('follows a resolv.conf that is written by hand', async () => {
    await inHost("echo 'nameserver 192.0.2.3' > /etc/resolv.conf");
    await expect.poll(servers, { timeout: 10_000 }).toBe('nameserver 192.0.2.3\n');
  });

  test('starts it again when it ends, and ends it with itself on SIGTERM', async () => {
    const first = await resolverPid();
    process.kill(first, 'SIGKILL');
    await expect.poll(resolverPid, { timeout: 10_000 }).not.toBe(first);
    const second = await resolverPid();
    expect(existsSync(`/proc/${second}`)).toBe(true);
    await end('SIGTERM');
    expect(existsSync(`/proc/${second}`)).toBe(false);
  });

  test('leaves it without work when it is killed itself: it ends too', async () => {
    const resolver = await resolverPid();
    await end('SIGKILL');
    await expect.poll(() => existsSync(`/proc/${resolver}`), { timeout: 10_000 }).toBe(false);
  });
});
