import { expect, test } from 'vitest';
import { parseMount, parseTmpfs, parseVolumes } from './mounts.ts';

test('tells binds and named volumes from anonymous ones', () => {
  expect(parseVolumes(['/a:/b:ro', 'vol:/c', '/d', './rel:/e'])).toEqual({
    binds: ['/a:/b:ro', 'vol:/c', `${process.cwd()}/rel:/e`],
    anonymous: { '/d': {} },
  });
});

test('splits tmpfs options from the path', () => {
  expect(parseTmpfs(['/run', '/tmp:size=1m,mode=1777'])).toEqual({ '/run': '', '/tmp': 'size=1m,mode=1777' });
});

test.each([
  ['type=bind,src=/a,dst=/b,ro', { Type: 'bind', Source: '/a', Target: '/b', ReadOnly: true }],
  ['type=bind,source=.,target=/b', { Type: 'bind', Source: process.cwd(), Target: '/b' }],
  [
    'source=vol,target=/b,volume-nocopy',
    { Type: 'volume', Source: 'vol', Target: '/b', VolumeOptions: { NoCopy: true } },
  ],
  [
    'type=tmpfs,target=/b,tmpfs-size=1m',
    { Type: 'tmpfs', Target: '/b', TmpfsOptions: { SizeBytes: 1048576 } },
  ],
])('reads --mount %s', (spec, mount) => {
  expect(JSON.parse(JSON.stringify(parseMount(spec)))).toEqual(mount);
});

test.each([
  ['type=bind,source=/a', 'target is required'],
  ['type=bind,source=/a,target=/b,bogus=1', "unexpected key 'bogus'"],
  ['type=npipe,source=/a,target=/b', 'mounts of type "npipe" are not implemented'],
])('refuses --mount %s', (spec, reason) => {
  expect(() => parseMount(spec)).toThrow(reason);
});
