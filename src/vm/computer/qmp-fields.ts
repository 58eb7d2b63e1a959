import { internal } from '../../base/index.ts';
import { isObject } from './qmp-answer.ts';

/** Parts of what QEMU returns, whose types its reference promises. Each throws `internal` when a promise is not kept. */

export function objectsIn(value: unknown): readonly Readonly<Record<string, unknown>>[] {
  if (Array.isArray(value) && value.every(isObject)) return value;
  throw broken('a list of objects', value);
}

export function objectIn(value: unknown): Readonly<Record<string, unknown>> {
  if (isObject(value)) return value;
  throw broken('an object', value);
}

export function numberIn(value: unknown): number {
  if (typeof value === 'number') return value;
  throw broken('a number', value);
}

export function textIn(value: unknown): string {
  if (typeof value === 'string') return value;
  throw broken('a text', value);
}

function broken(wanted: string, value: unknown): Error {
  return internal(`QEMU says ${JSON.stringify(value) ?? 'nothing'} where its reference has ${wanted}`);
}
