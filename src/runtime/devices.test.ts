import { expect, test } from 'vitest';
import { deviceRules, hostDevices, parseDeviceRule, resolveDevice } from './devices.ts';

test('a device of the host keeps its numbers under another name', async () => {
  expect(await resolveDevice('/dev/null', '/dev/nothing', 'rw')).toEqual([
    {
      node: { path: '/dev/nothing', type: 'c', major: 1, minor: 3, fileMode: 0o666, uid: 0, gid: 0 },
      access: 'rw',
    },
  ]);
});

test('a folder stands for all devices below it, and links are followed', async () => {
  const found = await resolveDevice('/dev/', '/dev/host', 'r');
  expect(found.map(({ node }) => node.path)).toContain('/dev/host/null');
  const [link] = await resolveDevice('/proc/self/root/dev/zero', '/dev/z', 'r');
  expect(link?.node).toMatchObject({ path: '/dev/z', major: 1, minor: 5 });
});

test('what is no device is refused by name', async () => {
  await expect(resolveDevice('/dev/missing', '/dev/x', 'rwm')).rejects.toThrow(
    'error gathering device information while adding custom device "/dev/missing": no such file or directory',
  );
  await expect(resolveDevice('/etc/passwd', '/dev/x', 'rwm')).rejects.toThrow('not a device node');
  await expect(resolveDevice('/dev/null', '/dev/x', 'rx')).rejects.toThrow('invalid device mode "rx"');
});

test('a privileged container gets the host’s devices but not its terminals', async () => {
  const paths = (await hostDevices()).map(({ node }) => node.path);
  expect(paths).toContain('/dev/null');
  expect(paths).not.toContain('/dev/console');
  expect(paths.filter((path) => path.startsWith('/dev/pts'))).toEqual([]);
  expect(deviceRules({ devices: [], extraRules: [], privileged: true })).toEqual([
    { allow: true, access: 'rwm' },
  ]);
});

test('rules are parsed as Docker writes them', () => {
  expect(parseDeviceRule('c 42:* rmw')).toEqual({
    allow: true,
    type: 'c',
    major: 42,
    minor: -1,
    access: 'rmw',
  });
  expect(() => parseDeviceRule('c 42 rwm')).toThrow("invalid device cgroup rule format: 'c 42 rwm'");
});
