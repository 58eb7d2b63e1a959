import { readFile, stat, writeFile } from 'node:fs/promises';
import { expect } from 'vitest';
import type { Instance } from '../engine/instance.ts';

/**
 * Shows that the machine `vm` and the host see one folder (`/bound` there) and one volume (`data`, `/data` there), with the
 * owners and modes that either of them gave.
 */
export async function expectShared(instance: Instance, folder: string): Promise<void> {
  const inside = (script: string) => instance.berthOk(['exec', 'vm', 'sh', '-c', script]);
  await writeFile(`${folder}/host`, 'from the host\n');
  const change = 'echo guest >/bound/guest; chmod 640 /bound/guest; chown 7:8 /bound/guest';
  expect(await inside(`cat /bound/host; ${change}`)).toBe('from the host');
  expect(await readFile(`${folder}/guest`, 'utf8')).toBe('guest\n');
  const { mode, uid, gid } = await stat(`${folder}/guest`);
  expect([mode & 0o7777, uid, gid]).toEqual([0o640, 7, 8]);
  await inside('echo volume >/data/file');
  const read = ['run', '--rm', '-v', 'data:/data', 'busybox', 'cat', '/data/file'];
  expect(await instance.berthOk(read)).toBe('volume');
}

/** Shows that what is removed while it is open can be read to its end. */
export async function expectReadableWithoutName(instance: Instance): Promise<void> {
  const script = 'echo kept >/bound/gone; exec 3</bound/gone; rm /bound/gone; test ! -e /bound/gone; cat <&3';
  expect(await instance.berthOk(['exec', 'vm', 'sh', '-c', script])).toBe('kept');
}
