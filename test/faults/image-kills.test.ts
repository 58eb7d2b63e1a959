import { setTimeout as delay } from 'node:timers/promises';
import { describe, it } from 'vitest';
import { startInstance } from '../engine/instance.ts';
import { expectNothingLeft, prepareImageWork } from './image-work.ts';
import { OPERATIONS } from './operations.ts';
import { pick, printedSeed, randomNumbers } from './random.ts';
import { expectNothingElse } from './storm.ts';

const KILLS = 50;
/** An operation takes about as long. */
const LONGEST_MILLISECONDS = 700;

describe('after a SIGKILL of berthd at any time, the next start repairs everything', () => {
  it(`${KILLS} times, while images are pulled, built, committed, loaded, imported and removed`, {
    timeout: 600_000,
  }, async () => {
    const random = randomNumbers(printedSeed('kills among images'));
    const operations = Object.values(OPERATIONS);
    await using work = await prepareImageWork();
    await using instance = await startInstance();
    for (let kill = 0; kill < KILLS; kill += 1) {
      const { before, commands } = pick(random, operations);
      // What an earlier kill has left makes some of these fail: whatever they do, nothing may leak.
      await work.attempt(instance, before);
      const running = work.attempt(instance, commands);
      await delay(random() * LONGEST_MILLISECONDS);
      await instance.killDaemon();
      await running;
      await instance.startDaemon();
      await expectNothingElse(instance, `after kill ${kill}`);
      await instance.berth(['rm', '-f', 'changed']);
    }
    await expectNothingLeft(instance);
  });
});
