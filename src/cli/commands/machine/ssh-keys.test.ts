import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { callersKeys, machineKeyPath } from './ssh-keys.ts';

let home: string;
beforeAll(async () => {
  home = await mkdtemp('/tmp/berth-ssh-keys-');
});
afterAll(() => rm(home, { recursive: true, force: true }));

it('several who begin at once get the same key, and leave no other', async () => {
  const env = { HOME: home };
  const keys = await Promise.all([1, 2, 3, 4].map(() => callersKeys(env)));
  expect(new Set(keys.flat()).size).toBe(1);
  const path = machineKeyPath(env);
  expect(keys[0]).toEqual([(await readFile(`${path}.pub`, 'utf8')).trim()]);
  expect((await readdir(`${home}/.config/berth`)).toSorted()).toEqual([
    'machine_ed25519',
    'machine_ed25519.pub',
  ]);
});
