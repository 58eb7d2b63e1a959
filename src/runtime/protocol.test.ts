import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type ContainerId, decodeFields, FieldWriter, numberOf, textOf, timeOf } from '../base/index.ts';
import type { PortPlan, SupervisorPlan } from './contract.ts';
import { decodePort, encodePlan, message, stateValue, streamBit, tag } from './protocol.ts';

const header = readFileSync(join(import.meta.dirname, '../../native/common/protocol.h'), 'utf8');

/** The values of the C header's names that begin with a prefix, the names as TypeScript writes them. */
function valuesInC(prefix: string): Record<string, number> {
  const entries = [...header.matchAll(new RegExp(`\\b${prefix}_(\\w+) = (0x[0-9a-f]+|\\d+)`, 'g'))];
  return Object.fromEntries(entries.map(([, name = '', value]) => [camelCase(name), Number(value)]));
}

function camelCase(name: string): string {
  return name.toLowerCase().replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}

describe('the protocol', () => {
  test.each([
    { prefix: 'MESSAGE', values: message },
    { prefix: '(?<!PORT_)TAG', values: tag },
    { prefix: 'STATE', values: stateValue },
    { prefix: 'STREAM', values: streamBit },
  ])('has the same $prefix values in C', ({ prefix, values }) => {
    expect(valuesInC(prefix)).toEqual(values);
  });

  test('writes a plan with every field', () => {
    const port: PortPlan = {
      protocol: 'udp',
      hostIp: '::',
      hostPort: 0,
      containerIp: '10.0.0.2',
      containerPort: 53,
    };
    const plan: SupervisorPlan = {
      id: 'ab'.repeat(32) as ContainerId,
      directory: '/c',
      root: { layers: ['/bottom', '/top'], writable: { upper: '/u', work: '/w' } },
      terminal: true,
      openStdin: true,
      stdinOnce: false,
      network: { handle: 9, path: '/proc/1/fd/9' },
      ports: [port],
      log: { driver: 'json-file', path: '/log', maxSize: 1e9, maxFiles: 3 },
      shmSize: 65_536,
      runtime: { path: '/usr/bin/crun', args: ['--debug'], root: '/state' },
    };
    const fields = decodeFields(encodePlan(plan, '/s'));
    expect(fields.filter((field) => field.tag === tag.layer).map(({ value }) => String(value))).toEqual([
      '/bottom',
      '/top',
    ]);
    expect(textOf(fields, tag.socket)).toBe('/s');
    expect(numberOf(fields, tag.logMaxSize)).toBe(1e9);
    expect(numberOf(fields, tag.network)).toBe(9);
    const portField = fields.find((field) => field.tag === tag.port);
    expect(decodePort(decodeFields(portField?.value ?? Buffer.alloc(0)))).toEqual(port);
  });

  test('refuses answers that lack a field or hold no number', () => {
    expect(() => textOf([], tag.message)).toThrow('field 33 is missing');
    const fields = decodeFields(new FieldWriter().text(tag.pid, 'four').finish());
    expect(() => numberOf(fields, tag.pid)).toThrow('field 36 is no number');
  });

  test('reads times to the millisecond', () => {
    const fields = decodeFields(new FieldWriter().number(tag.time, 1_764_030_000_123_456_789n).finish());
    expect(timeOf(fields, tag.time).toISOString()).toBe('2025-11-25T00:20:00.123Z');
  });
});
