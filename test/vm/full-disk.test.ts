import { mkdtemp, rm, statfs, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EngineClient } from '../../src/client/index.ts';
import type { Instance } from '../engine/instance.ts';
import { type Disk, makeDisk } from '../faults/disk.ts';
import { startMachines } from './machines.ts';

const MIB = 1024 ** 2;
const MACHINE = ['--isolation', 'vm', '--network', 'none', '-m', '128m'];

/** More than is free. */
const WRITE = 'head -c 12m /dev/urandom >/file';
const REASON = "the host's disk has no room for what it writes";

describe('a full disk of the host', { timeout: 180_000 }, () => {
  let disk: Disk;
  let instance: Instance;
  const cleanup = new AsyncDisposableStack();
  beforeAll(async () => {
    disk = cleanup.use(await makeDisk('ext4'));
    instance = cleanup.use(await startMachines(disk.path));
    await instance.berthOk(['run', '--rm', ...MACHINE, 'busybox', 'true']); // makes the template
  });
  afterAll(() => cleanup.disposeAsync());

  /** Leaves so much of the disk free, until this is disposed of. */
  async function fill(free = 8 * MIB): Promise<AsyncDisposable> {
    const { bavail, bsize } = await statfs(disk.path);
    await writeFile(`${disk.path}/filler`, Buffer.alloc(bavail * bsize - free));
    return { [Symbol.asyncDispose]: () => rm(`${disk.path}/filler`) };
  }

  /** From now on; resolves at the container's next event of that name, with its attributes. */
  async function nextEvent(
    container: string,
    action: string,
  ): Promise<() => Promise<Record<string, string>>> {
    const client = new EngineClient({ host: `unix://${instance.socketPath}` });
    const ending = new AbortController();
    const { signal } = ending;
    const events = await client.system.events({
      filters: { container: [container], event: [action] },
      signal,
    });
    return async () => {
      for await (const { Actor } of events) {
        ending.abort();
        return Actor.Attributes;
      }
      throw new Error('the events have ended');
    };
  }

  /** Starts a machine, and resolves when it stands still. */
  async function standstill(name: string, script: string): Promise<Record<string, string>> {
    await instance.berthOk(['create', '--name', name, ...MACHINE, 'busybox', 'sh', '-c', script]);
    const paused = await nextEvent(name, 'pause');
    await instance.berthOk(['start', name]);
    return paused();
  }

  it('holds a virtual machine that writes still, which ps, inspect, why and events tell, until there is room again', async () => {
    const script = `${WRITE} && sync && wc -c </file`;
    let goesOn: () => Promise<Record<string, string>>;
    {
      await using _full = await fill();
      expect(await standstill('writes', script)).toMatchObject({ reason: REASON });
      const status = await instance.berthOk(['ps', '--no-trunc', '--format', '{{.Status}}']);
      expect(status).toMatch(new RegExp(`^Up .* \\(Paused\\): ${REASON}$`));
      const state = await instance.berthOk([
        'inspect',
        '-f',
        '{{.State.Status}}: {{.State.Error}}',
        'writes',
      ]);
      expect(state).toBe(`paused: ${REASON}`);
      expect(await instance.berthOk(['why', 'writes'])).toContain(`It stands still: ${REASON}.`);
      const { stderr } = await instance.berth(['exec', 'writes', 'true']);
      expect(stderr).toContain(`It stands still, as ${REASON}: free space there, and it goes on`);
      const { stderr: said } = await instance.berth(['logs', 'writes']);
      expect(said).toBe(`berth: the virtual machine stands still: ${REASON}\n`);
      await instance.killDaemon();
      await instance.startDaemon();
      expect(await instance.berthOk(['ps', '-q', '--filter', 'status=paused'])).not.toBe('');
      goesOn = await nextEvent('writes', 'unpause');
    }
    await goesOn();
    expect(await instance.berthOk(['wait', 'writes'])).toBe('0');
    expect(await instance.berthOk(['logs', 'writes'])).toBe(String(12 * MIB));
    await instance.berthOk(['rm', 'writes']);
  });

  it('does not keep one from being stopped, killed or removed', async () => {
    await using _full = await fill();
    for (const end of [['stop', '-t', '0'], ['kill']]) {
      await standstill('ended', `${WRITE} && sync; exec sleep 1000`);
      await instance.berthOk([...end, 'ended']);
      const format = '{{.State.Status}} {{.State.ExitCode}}';
      expect(await instance.berthOk(['inspect', '-f', format, 'ended'])).toBe('exited 137');
      await instance.berthOk(['rm', 'ended']);
    }
    await standstill('removed', `${WRITE} && sync; exec sleep 1000`);
    await instance.berthOk(['rm', '-f', 'removed']);
  });

  it('is told by one that has ended, and whose last writes are lost for it', async () => {
    await using _full = await fill(2 * MIB);
    // Its kernel still has it in memory when the process ends.
    const late = ['dirty_background_bytes', 'dirty_bytes'].flatMap((name) => [
      ...['--sysctl', `vm.${name}=${64 * MIB}`],
    ]);
    const run = ['run', '--rm', ...MACHINE, ...late, 'busybox', 'sh', '-c', 'head -c 6m /dev/urandom >/file'];
    const { code, stderr } = await instance.berth(run);
    expect([code, stderr]).toEqual([
      255,
      "berth: what was written last is lost: the host's disk has no room for it\n",
    ]);
  });

  it('fails the step of a build that writes, and the build succeeds when there is room', async () => {
    const folder = await mkdtemp('/tmp/berth-full-disk-');
    await using _folder = { [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) };
    const dockerfile = `FROM busybox\nRUN --network=none ${WRITE} && sync\n`;
    const build = ['build', '-q', '--isolation', 'vm', '-m', '128m', '-f', '-', folder];
    {
      await using _full = await fill();
      const { code, stderr } = await instance.berth(build, { input: dockerfile });
      expect([code, stderr]).toEqual([
        1,
        expect.stringContaining('no space left on device: there is no room for what the step writes'),
      ]);
    }
    await instance.berthOk(build, { input: dockerfile });
  });
});
