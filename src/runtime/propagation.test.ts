import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { mountOf, requirePropagation } from './propagation.ts';

const mountinfo = `20 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
21 20 0:20 / /data rw - tmpfs none rw
22 20 0:21 / /data/my\\040disk rw master:3 - tmpfs none rw
23 20 0:22 / /twice rw shared:4 - tmpfs none rw
24 20 0:23 / /twice rw - tmpfs none rw
`;

test('the innermost and latest mount of a path counts', () => {
  expect(mountOf('/home/me', mountinfo)).toEqual({ path: '/', isShared: true, isSlave: false });
  expect(mountOf('/data/x', mountinfo)).toEqual({ path: '/data', isShared: false, isSlave: false });
  expect(mountOf('/data/my disk/x', mountinfo)).toEqual({
    path: '/data/my disk',
    isShared: false,
    isSlave: true,
  });
  expect(mountOf('/twice', mountinfo)).toEqual({ path: '/twice', isShared: false, isSlave: false });
  expect(mountOf('/database', mountinfo).path).toBe('/');
});

test('a shared mount needs a source that is shared on the host', async () => {
  const mount = { kind: 'bind', source: '/proc', destination: '/x', readOnly: false } as const;
  await requirePropagation([mount, { ...mount, propagation: 'rprivate' }]);
  const { isShared } = mountOf('/proc', await readFile('/proc/self/mountinfo', 'utf8'));
  const asked = requirePropagation([{ ...mount, propagation: 'rshared' }]);
  await (isShared
    ? expect(asked).resolves.toBeUndefined()
    : expect(asked).rejects.toThrow('path /proc is mounted on /proc but it is not a shared mount'));
});
