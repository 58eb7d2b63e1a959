import { readFile } from 'node:fs/promises';
import { expect, it, test } from 'vitest';
import { makeElf } from '../../../../test/engine/elf.ts';
import { machineName, readProgramFile } from './program-file.ts';

it('reads the interpreter of a script, a carriage return included', () => {
  const interpreterOf = (text: string) => readProgramFile(Buffer.from(text));
  expect(interpreterOf('#!/bin/sh\necho')).toEqual({ kind: 'script', interpreter: '/bin/sh' });
  expect(interpreterOf('#! /usr/bin/env python\n')).toMatchObject({ interpreter: '/usr/bin/env' });
  expect(interpreterOf('#!/bin/sh\r\necho')).toMatchObject({ interpreter: '/bin/sh\r' });
  expect(interpreterOf('#!')).toMatchObject({ interpreter: '' });
});

it('reads the loader of a program of this machine', async () => {
  const head = (await readFile('/bin/ls')).subarray(0, 4096);
  expect(readProgramFile(head)).toMatchObject({ kind: 'elf', loader: expect.stringMatching(/^\/lib.*ld-/) });
});

test.each([
  ['a 64-bit program', makeElf({ machine: 183, interpreter: '/lib/ld' }), 'arm64', '/lib/ld'],
  ['one that is linked statically', makeElf({ machine: 62 }), 'amd64', undefined],
  ['a machine without a name', makeElf({ machine: 4242 }), 'machine 4242', undefined],
])('tells the machine and the loader of %s', (_, head, machine, loader) => {
  const file = readProgramFile(head);
  expect(file.kind === 'elf' && [machineName(file.machine), file.loader, file.isProgram]).toEqual([
    machine,
    loader,
    true,
  ]);
});

it('reads a 32-bit program', () => {
  const head = Buffer.alloc(200);
  head.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
  head.writeUInt16LE(2, 16);
  head.writeUInt16LE(3, 18);
  head.writeUInt32LE(52, 28);
  head.writeUInt16LE(32, 42);
  head.writeUInt16LE(1, 44);
  head.writeUInt32LE(3, 52);
  head.writeUInt32LE(100, 56);
  head.writeUInt32LE(10, 68);
  head.write('/lib/ld32\0', 100);
  expect(readProgramFile(head)).toEqual({ kind: 'elf', machine: 3, isProgram: true, loader: '/lib/ld32' });
});

test.each([
  ['nothing', Buffer.alloc(0), 'empty'],
  ['words', Buffer.from('echo hello\n'), 'text'],
  ['bytes', Buffer.from([1, 0, 2]), 'unknown'],
  ['a program of Windows', Buffer.from('MZ\x90\0'), 'foreign'],
  ['an ELF header that is cut off', makeElf().subarray(0, 20), 'elf'],
  [
    'one whose table lies behind its end',
    Buffer.concat([makeElf().subarray(0, 32), Buffer.alloc(40, 255)]),
    'elf',
  ],
])('%s is no reason to fail', (_, head, kind) => {
  expect(readProgramFile(head)).toMatchObject({ kind });
});
