import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PREVIOUS_PROTOCOL_VERSION as VERSION } from '../base/index.ts';
import { Channel, connectSocket } from './channel.ts';
import type { Supervisor, SupervisorPlan } from './contract.ts';
import { encodePlan, message } from './protocol.ts';
import {
  collect,
  ended,
  missingForContainers,
  ociProcess,
  readLog,
  readUntil,
  TestInstance,
} from './test-instance.ts';

const RUNTIME = '/usr/bin/crun';
const FIXTURES = join(import.meta.dirname, '../../test/fixtures/protocol-1');
const missing =
  missingForContainers(RUNTIME) ??
  (process.arch === 'x64' ? undefined : 'x86-64, for which the kept programs are');
const reason = missing === undefined ? '' : ` (skipped: needs ${missing})`;

describe.skipIf(missing !== undefined)(
  `native parts of the protocol's version before${reason}`,
  { timeout: 30_000 },
  () => {
    let instance: TestInstance;
    let programs: string;
    beforeAll(async () => {
      programs = await mkdtemp('/tmp/berth-protocol-');
      for (const name of ['berth-launcher', 'berth-shim']) {
        await writeFile(join(programs, name), gunzipSync(await readFile(join(FIXTURES, `${name}-x64.gz`))));
        await chmod(join(programs, name), 0o755);
      }
      instance = await TestInstance.create(RUNTIME);
      await startOldLauncher();
    });
    afterAll(async () => {
      await instance[Symbol.asyncDispose]();
      await rm(programs, { recursive: true });
    });

    const socketPath = () => join(instance.execRoot, 'l.sock');

    /** Puts the old launcher in the place of today's. */
    const startOldLauncher = async () => {
      const present = new Channel(await connectSocket(socketPath()), 'the launcher', () => {});
      process.kill(instance.launcherPid(), 'SIGKILL');
      await present.closed;
      const old = spawn(join(programs, 'berth-launcher'), [socketPath(), instance.execRoot], {
        detached: true,
        stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
      });
      old.unref();
      await once(old.stdio[3] as Readable, 'data'); // it listens
    };

    const launchOld = async (plan: SupervisorPlan) => {
      const channel = new Channel(await connectSocket(socketPath()), 'the old launcher', () => {}, VERSION);
      const socket = join(instance.execRoot, 's', `${plan.id.slice(0, 16)}.sock`);
      await channel.request(message.launch, encodePlan(plan, socket));
      channel.close();
    };

    /** A container under the old supervisor, started by the old launcher with the plan of its time. */
    const startOld = async (
      args: readonly string[],
    ): Promise<{ plan: SupervisorPlan; found: Supervisor }> => {
      const plan = await instance.plan({ openStdin: true });
      await instance.writeConfig(plan, { args });
      await launchOld(plan);
      const answer = await instance.launcher.reconnect(plan.id, plan.directory);
      if (answer === undefined || 'kind' in answer) throw new Error('the old supervisor is not there');
      return { plan, found: answer };
    };

    test('are spoken to: run, attach, exec, signal and the end of a container', async () => {
      const { plan, found } = await startOld(['/bin/sh', '-c', 'echo begun; cat; exit 3']);
      expect(found.restartsByItself).toBe(false);
      const session = await found.attach({ stdin: true, stdout: true, stderr: true });
      await found.run();
      expect(await readUntil(session, 'begun')).toBe('begun\n');
      await session.write(Buffer.from('through'));
      expect(await readUntil(session, 'through')).toBe('through');
      const options = { stdin: false, stdout: true, stderr: true, terminal: false };
      await using exec = await found.exec(ociProcess(['echo', 'inside']), options);
      expect((await collect(exec)).stdout).toBe('inside\n');
      await found.cancelRestart(); // which it does not know
      await found.pause();
      await found.resume();
      await found.signal(9);
      expect(await found.exited).toMatchObject({
        kind: 'exited',
        code: 137,
        oomKilled: false,
        run: undefined,
      });
      await ended(found);
      expect((await readLog(plan.log.path)).map(({ log }) => log)).toContain('begun\n');
      expect(await instance.launcher.reconnect(plan.id, plan.directory)).toMatchObject({ code: 137 });
    });

    test('are found again by the next berthd; an old launcher is replaced, its supervisor lives on', async () => {
      const { plan, found } = await startOld(['cat']);
      await found.run();
      await using next = await instance.secondLauncher();
      const again = await next.reconnect(plan.id, plan.directory);
      if (again === undefined || 'kind' in again) throw new Error('the old supervisor is not there');
      expect(again.started).toEqual(found.started);
      const { session } = await instance.start({ args: ['echo', 'by the new one'] });
      expect((await collect(session)).stdout).toBe('by the new one\n');
      await again.signal(9);
      expect(await again.exited).toMatchObject({ code: 137 });
    });
  },
);
