import { describe, it } from 'vitest';
import { startInstance } from '../engine/instance.ts';
import { printedSeed } from './random.ts';
import { lifecycle } from './roles.ts';
import { killAtRandom } from './storm.ts';

describe('after a SIGKILL of berthd at any time, what was acknowledged is true and nothing leaks', () => {
  it('100 times, while containers are created, started, used, stopped and removed', {
    timeout: 600_000,
  }, async () => {
    const seed = printedSeed('kills among containers');
    await using instance = await startInstance();
    await instance.berthOk(['pull', '-q', 'busybox']);
    const roles = ['one', 'two', 'three', 'four'].map((name) => lifecycle(name));
    await killAtRandom(instance, { seed, kills: 100, roles });
  });
});
