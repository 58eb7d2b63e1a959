import { expect, test } from 'vitest';
import {
  architectureNamed,
  architectureNames,
  architectureOfElf,
  hostArchitecture,
  isArchitectureName,
} from './architecture.ts';

test("a host's own architecture is known by Node's name for it, and comes first", () => {
  expect(hostArchitecture('x64').emulator.program).toBe('qemu-system-x86_64');
  expect(hostArchitecture('arm64').emulator.program).toBe('qemu-system-aarch64');
  expect(architectureNames()[0]).toBe(hostArchitecture().name);
  expect(architectureNames().toSorted()).toEqual(['amd64', 'arm64']);
});

test('a host that no machine could be native to is refused by name', () => {
  expect(() => hostArchitecture('riscv64')).toThrow('berth has no virtual machines for riscv64 processors');
});

test('names of images that no machine has are none, whatever objects inherit', () => {
  expect(['amd64', 'arm64', 's390x', 'toString'].map(isArchitectureName)).toEqual([true, true, false, false]);
});

test('ELF files tell what they are for', () => {
  expect([62, 183, 22].map(architectureOfElf)).toEqual(['amd64', 'arm64', undefined]);
  expect(architectureNamed('arm64').elfMachine).toBe(183);
});
