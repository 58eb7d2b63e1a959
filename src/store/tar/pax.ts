import { invalid } from '../../base/index.ts';
import type { ByteString, Timestamp } from './header.ts';

/** One record of a PAX extended header; the value keeps its bytes. */
export interface PaxRecord {
  readonly key: ByteString;
  readonly value: Buffer;
}

/**
 * The records of a PAX extended header, `LENGTH KEY=VALUE\n` repeated (POSIX pax, "pax Header Block"), in
 * order: GNU's sparse format 0.0 repeats keys. Throws `invalid` for a malformed one.
 */
export function decodePax(data: Buffer): PaxRecord[] {
  const records: PaxRecord[] = [];
  let at = 0;
  while (at < data.length) {
    const space = data.indexOf(0x20, at);
    const lengthText = data.toString('latin1', at, Math.max(at, Math.min(space, at + 12)));
    const length = /^[0-9]+$/.test(lengthText) ? Number(lengthText) : 0;
    const end = at + length;
    const equals = data.indexOf(0x3d, space);
    if (length === 0 || end > data.length || data[end - 1] !== 0x0a || equals < 0 || equals >= end) {
      if (data.subarray(at).every((byte) => byte === 0)) break;
      throw invalid('a malformed PAX header');
    }
    records.push({
      key: data.toString('latin1', space + 1, equals),
      value: data.subarray(equals + 1, end - 1),
    });
    at = end;
  }
  return records;
}

/** A non-negative decimal number of a PAX record. */
export function paxNumber({ key, value }: PaxRecord): number {
  const text = value.toString('latin1');
  const number = Number(text);
  if (!/^[0-9]+$/.test(text) || !Number.isSafeInteger(number)) {
    throw invalid(`a PAX header has ${key}="${text.slice(0, 40)}"`);
  }
  return number;
}

/** A PAX time, decimal seconds with a fraction; more than nine digits of it are cut off. */
export function paxTime({ key, value }: PaxRecord): Timestamp {
  const text = value.toString('latin1');
  const [, sign, whole, fraction = ''] = /^(-?)([0-9]{1,15})(?:\.([0-9]*))?$/.exec(text) ?? [];
  if (whole === undefined) throw invalid(`a PAX header has ${key}="${text.slice(0, 40)}"`);
  const seconds = Number(whole);
  const nanoseconds = Number(fraction.slice(0, 9).padEnd(9, '0'));
  if (sign !== '-') return { seconds, nanoseconds };
  if (nanoseconds === 0) return { seconds: 0 - seconds, nanoseconds };
  return { seconds: -seconds - 1, nanoseconds: 1e9 - nanoseconds };
}
