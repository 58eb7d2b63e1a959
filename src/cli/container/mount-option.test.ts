import { expect, test } from 'vitest';
import { parseMount } from './mount-option.ts';

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
  [
    'type=bind,src=/a,dst=/b,ro,bind-propagation=rslave,bind-recursive=writable',
    {
      Type: 'bind',
      Source: '/a',
      Target: '/b',
      ReadOnly: true,
      BindOptions: { Propagation: 'rslave', ReadOnlyNonRecursive: true },
    },
  ],
  [
    'type=volume,src=v,dst=/b,volume-subpath=x/y,volume-label=a=b,volume-driver=local,"volume-opt=o=uid=1,""gid""=2"',
    {
      Type: 'volume',
      Source: 'v',
      Target: '/b',
      VolumeOptions: {
        Subpath: 'x/y',
        Labels: { a: 'b' },
        DriverConfig: { Name: 'local', Options: { o: 'uid=1,"gid"=2' } },
      },
    },
  ],
  [
    'type=image,source=busybox,target=/b,image-subpath=bin',
    { Type: 'image', Source: 'busybox', Target: '/b', ImageOptions: { Subpath: 'bin' } },
  ],
])('reads --mount %s', (spec, mount) => {
  expect(JSON.parse(JSON.stringify(parseMount(spec)))).toEqual(mount);
});

test.each([
  ['type=bind,source=/a', 'target is required'],
  ['type=bind,source=/a,target=/b,bogus=1', "unexpected key 'bogus'"],
  ['type=npipe,source=/a,target=/b', 'mount type "npipe" is none of bind, volume, tmpfs and image'],
  ['source', "invalid field 'source' must be a key=value pair"],
  ['type=bind,source=/a,target=/b,volume-nocopy', "cannot mix 'volume-*' options with mount type 'bind'"],
  ['type=bind,source=/a,target=/b,ro=maybe', 'invalid value for readonly: maybe'],
  ['type=bind,source=/a,target=/b,bind-recursive=readonly', "requires 'readonly'"],
  ['type=bind,source=/a,target=/b,bind-recursive=some', 'invalid value for bind-recursive: some'],
  ['type=tmpfs,target=/b,tmpfs-mode=9', 'invalid value for tmpfs-mode: 9'],
  ['type=tmpfs,target=/b,tmpfs-size=much', "invalid size: 'much'"],
])('refuses --mount %s', (spec, reason) => {
  expect(() => parseMount(spec)).toThrow(reason);
});
