import { describe, expect, it } from 'vitest';
import { startInstance } from '../engine/instance.ts';
import { printedSeed } from './random.ts';
import { moving } from './roles.ts';
import { expectNothingElse, killAtRandom } from './storm.ts';

const SMALL = '10.213.77.0/29';
/** Without the network's own address, the gateway's and the broadcast address. */
const SMALL_ADDRESSES = 5;

describe('after a SIGKILL of berthd at any time, what was acknowledged is true and nothing leaks', () => {
  it('100 times, while containers start, stop, change networks and publish ports', {
    timeout: 600_000,
  }, async () => {
    const seed = printedSeed('kills among networks');
    await using instance = await startInstance();
    await instance.berthOk(['pull', '-q', 'busybox']);
    await instance.berthOk(['network', 'create', 'base']);
    await instance.berthOk(['network', 'create', '--subnet', SMALL, 'small']);
    await instance.berthOk(['network', 'create', 'other']);
    const names = ['ann', 'bob', 'cleo'];
    const roles = names.map((name) => moving(name, ['base', 'small', 'other']));
    await killAtRandom(instance, { seed, kills: 100, roles });

    await instance.berthOk(['rm', '-f', ...names]);
    const run = ['run', '-d', '--network', 'small', 'busybox', 'sleep', '1000'];
    const started = await Promise.all(Array.from({ length: SMALL_ADDRESSES }, () => instance.berthOk(run)));
    expect(new Set(started).size).toBe(SMALL_ADDRESSES); // no address is lost
    await expectNothingElse(instance);
  });
});
