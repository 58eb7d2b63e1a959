import { expect, test } from 'vitest';
import { allotResources } from './resources.ts';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
const host = { processors: 4, memory: 8 * GIB };
const nothing = { cpus: undefined, memory: undefined };

test('a machine for which nothing is asked has one processor and 512 MiB', () => {
  expect(allotResources(nothing, [], host)).toEqual({ processors: 1, memory: 512 * MIB });
});

test('a part of a CPU is a whole processor', () => {
  const processors = (cpus: number) => allotResources({ ...nothing, cpus }, [], host).processors;
  expect([0.01, 1, 1.5, 4].map(processors)).toEqual([1, 1, 2, 4]);
});

test('memory is whole MiB, at least what was asked for', () => {
  expect(allotResources({ ...nothing, memory: 200 * MIB + 1 }, [], host).memory).toBe(201 * MIB);
});

test('more processors than the host has are refused with the numbers', () => {
  expect(() => allotResources({ ...nothing, cpus: 4.5 }, [], host)).toThrow(
    "a virtual machine with 5 processors is more than this host's 4",
  );
});

test('memory that no guest boots with is refused with what it needs', () => {
  expect(() => allotResources({ ...nothing, memory: 64 * MIB }, [], host)).toThrow(
    'a virtual machine cannot boot with 64MiB of memory: it needs 128MiB',
  );
});

test('more memory than the host has is refused with the numbers', () => {
  expect(() => allotResources({ ...nothing, memory: 9 * GIB }, [], host)).toThrow(
    "a virtual machine with 9GiB of memory is more than this host's 8GiB",
  );
});

test('memory that running machines were promised is not promised again', () => {
  const running = [
    { processors: 1, memory: 4 * GIB },
    { processors: 2, memory: 3 * GIB },
  ];
  expect(allotResources({ ...nothing, memory: GIB }, running, host).memory).toBe(GIB);
  expect(() => allotResources({ ...nothing, memory: GIB + MIB }, running, host)).toThrow(
    expect.objectContaining({
      kind: 'conflict',
      message:
        'a virtual machine with 1.001GiB of memory finds no room: this host has 8GiB, 7GiB of it promised to 2 that run',
    }),
  );
});
