import type { Field } from './framing.ts';

/** The field with a tag, or undefined. */
export function fieldOf(fields: readonly Field[], wanted: number): Buffer | undefined {
  return fields.find((field) => field.tag === wanted)?.value;
}

/** A text field. Throws RangeError when it is missing. */
export function textOf(fields: readonly Field[], wanted: number): string {
  return required(fields, wanted).toString();
}

/** A number field. Throws RangeError when it is missing or not exact in a double. */
export function numberOf(fields: readonly Field[], wanted: number): number {
  const value = bigNumberOf(fields, wanted);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new RangeError(`field ${wanted} is too large`);
  return Number(value);
}

/** A number field that an older supervisor does not send; 0 then. */
export function optionalNumberOf(fields: readonly Field[], wanted: number): number {
  return fieldOf(fields, wanted) === undefined ? 0 : numberOf(fields, wanted);
}

/** A time field (nanoseconds since the epoch), to the millisecond. */
export function timeOf(fields: readonly Field[], wanted: number): Date {
  return new Date(Number(bigNumberOf(fields, wanted) / 1_000_000n));
}

function bigNumberOf(fields: readonly Field[], wanted: number): bigint {
  const value = required(fields, wanted);
  if (value.length !== 8) throw new RangeError(`field ${wanted} is no number`);
  return value.readBigUInt64LE();
}

function required(fields: readonly Field[], wanted: number): Buffer {
  const value = fieldOf(fields, wanted);
  if (value === undefined) throw new RangeError(`field ${wanted} is missing`);
  return value;
}
