import { expect, test } from 'vitest';
import { requireOwnSysctls } from './sysctls.ts';

const OWN = { network: false, ipc: false, uts: false };

test.each(['net.core.somaxconn', 'net/ipv4/ip_forward', 'kernel.sem', 'kernel.shmmax', 'fs.mqueue.msg_max'])(
  '%s is the container’s own',
  (name) => {
    expect(() => requireOwnSysctls({ [name]: '1' }, OWN)).not.toThrow();
  },
);

test('what is the host’s is refused', () => {
  expect(() => requireOwnSysctls({ 'vm.swappiness': '1' }, OWN)).toThrow(
    'sysctl "vm.swappiness" is not in a separate kernel namespace',
  );
  expect(() => requireOwnSysctls({ 'kernel.hostname': 'x' }, OWN)).toThrow('kernel.hostname');
  expect(() => requireOwnSysctls({ 'net.core.somaxconn': '1' }, { ...OWN, network: true })).toThrow(
    'sysctl "net.core.somaxconn" not allowed in host network namespace',
  );
  expect(() => requireOwnSysctls({ 'kernel.sem': '1' }, { ...OWN, ipc: true })).toThrow('host ipc namespace');
});
