import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { elfInterpreter, scriptInterpreter } from './program-file.ts';

it('reads the interpreter of a script, a carriage return included', () => {
  expect(scriptInterpreter(Buffer.from('#!/bin/sh\necho'))).toBe('/bin/sh');
  expect(scriptInterpreter(Buffer.from('#! /usr/bin/env python\n'))).toBe('/usr/bin/env');
  expect(scriptInterpreter(Buffer.from('#!/bin/sh\r\necho'))).toBe('/bin/sh\r');
  expect(scriptInterpreter(Buffer.from('echo'))).toBeUndefined();
});

it('reads the loader of a program of this machine, and none of a file that is no program', async () => {
  expect(elfInterpreter((await readFile('/bin/ls')).subarray(0, 4096))).toMatch(/^\/lib.*ld-linux/);
  expect(elfInterpreter(Buffer.alloc(100))).toBeUndefined();
});
