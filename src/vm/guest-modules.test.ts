import { expect, test } from 'vitest';
import { guestModules } from './guest-modules.ts';

/** What a module says of itself, in the one section that is looked at. */
function moduleFile(name: string, depends: string) {
  const names = Buffer.from('\0.modinfo\0.shstrtab\0');
  const content = Buffer.from(`depends=${depends}\0`);
  const data = Buffer.alloc(64 + content.length + names.length + 3 * 64);
  const headers = 64 + content.length + names.length;
  data.write('\x7fELF', 0, 'latin1');
  data.writeBigUInt64LE(BigInt(headers), 0x28);
  for (const [at, value] of [
    [0x3a, 64],
    [0x3c, 3],
    [0x3e, 2],
  ] as const)
    data.writeUInt16LE(value, at);
  content.copy(data, 64);
  names.copy(data, 64 + content.length);
  for (const [index, nameAt, start, length] of [
    [1, 1, 64, content.length],
    [2, 10, 64 + content.length, names.length],
  ] as const) {
    data.writeUInt32LE(nameAt, headers + index * 64);
    data.writeBigUInt64LE(BigInt(start), headers + index * 64 + 0x18);
    data.writeBigUInt64LE(BigInt(length), headers + index * 64 + 0x20);
  }
  return { path: `/kernel/${name}.ko`, data };
}

test('modules that only shared folders need are listed apart, in an order in which they can be loaded', () => {
  const files = [
    moduleFile('virtio', ''),
    moduleFile('libcrc32c', ''),
    moduleFile('ext4', 'libcrc32c'),
    moduleFile('9pnet', ''),
    moduleFile('netfs', ''),
    moduleFile('9p', '9pnet,netfs,libcrc32c'),
    moduleFile('9pnet_virtio', 'virtio,9pnet'),
    moduleFile('fuse', ''),
    moduleFile('virtiofs', 'fuse,virtio'),
    moduleFile('virtio_balloon', 'virtio'),
  ];
  const { lists, modules } = guestModules(files, { unsigned: false });
  expect(lists).toEqual({
    order: ['virtio.ko', 'libcrc32c.ko', 'ext4.ko', 'virtio_balloon.ko'],
    '9p': ['9pnet.ko', 'netfs.ko', '9p.ko', '9pnet_virtio.ko'],
    virtiofs: ['fuse.ko', 'virtiofs.ko'],
  });
  expect(modules.map(({ name }) => name)).toEqual(files.map(({ path }) => path.slice('/kernel/'.length)));
});

test('a kernel that has them built in has empty lists', () => {
  expect(guestModules([], { unsigned: true }).lists).toEqual({ order: [], '9p': [], virtiofs: [] });
});
