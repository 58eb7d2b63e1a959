import { invalid } from '../../base/index.ts';

/** The size of a tar header and of the unit that content is padded to. */
export const TAR_BLOCK = 512;

/**
 * Names, link targets and xattr names are byte strings: one character per byte (latin1), because a tar
 * does not say what its bytes mean and the kernel does not care.
 */
export type ByteString = string;

/** A file's modification time; nanoseconds are 0 to 999999999, also before 1970. */
export interface Timestamp {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** What one 512-byte header says by itself, before extended headers change it. */
export interface RawHeader {
  readonly type: string;
  readonly name: ByteString;
  readonly linkName: ByteString;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtimeSeconds: number;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  readonly isGnu: boolean;
}

/** Decodes a header block (V7, ustar, GNU or star); `undefined` for a block of zeros. Throws `invalid` for anything else. */
export function decodeHeader(block: Buffer): RawHeader | undefined {
  const stored = block[148] === 0 && block[0] === 0 ? undefined : readNumber(block, 148, 8);
  if (stored === undefined) {
    if (block.every((byte) => byte === 0)) return undefined;
    throw invalid('a tar header without a checksum');
  }
  checkSum(block, stored);
  const isPosix = block.toString('latin1', 257, 263) === 'ustar\0';
  const isGnu = block.toString('latin1', 257, 265) === 'ustar  \0';
  const hasDevices = isPosix || isGnu;
  const name = readText(block, 0, 100);
  const prefix = isPosix ? readText(block, 345, isStar(block) ? 131 : 155) : '';
  return {
    type: String.fromCharCode(block[156] ?? 0),
    name: prefix === '' ? name : `${prefix}/${name}`,
    linkName: readText(block, 157, 100),
    mode: readNumber(block, 100, 8) & 0o7777,
    uid: readNumber(block, 108, 8),
    gid: readNumber(block, 116, 8),
    size: readNumber(block, 124, 12),
    mtimeSeconds: readNumber(block, 136, 12),
    deviceMajor: hasDevices ? readNumber(block, 329, 8) : 0,
    deviceMinor: hasDevices ? readNumber(block, 337, 8) : 0,
    isGnu,
  };
}

/** The text up to the first NUL within a field. */
export function readText(block: Buffer, at: number, length: number): ByteString {
  const nul = block.indexOf(0, at);
  const end = nul < 0 || nul > at + length ? at + length : nul;
  return block.toString('latin1', at, end);
}

/** A numeric field: octal digits, or GNU's base 256 (first bit set, two's complement, big-endian). */
export function readNumber(block: Buffer, at: number, length: number): number {
  const first = block[at] ?? 0;
  if (first & 0x80) return readBase256(block, at, length);
  let value = 0;
  let seen = false;
  for (let i = at; i < at + length; i += 1) {
    const byte = block[i] ?? 0;
    if (byte >= 0x30 && byte <= 0x37) {
      value = value * 8 + (byte - 0x30);
      seen = true;
    } else if (byte === 0 || (byte === 0x20 && seen)) {
      break;
    } else if (byte !== 0x20) {
      throw invalid(`a tar header has the number "${readText(block, at, length)}"`);
    }
  }
  return value;
}

function readBase256(block: Buffer, at: number, length: number): number {
  const negative = ((block[at] ?? 0) & 0x40) !== 0;
  let value = BigInt((block[at] ?? 0) & 0x7f);
  if (negative) value -= 0x80n;
  for (let i = at + 1; i < at + length; i += 1) value = value * 256n + BigInt(block[i] ?? 0);
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw invalid('a tar header has a number beyond 2^53');
  return number;
}

/** The sum is over unsigned bytes; some old writers summed signed ones, which every reader accepts. */
function checkSum(block: Buffer, stored: number): void {
  let unsigned = 0;
  let high = 0;
  for (let i = 0; i < TAR_BLOCK; i += 1) {
    const byte = i >= 148 && i < 156 ? 0x20 : (block[i] ?? 0);
    unsigned += byte;
    high += byte >> 7;
  }
  if (stored !== unsigned && stored !== unsigned - 256 * high) {
    throw invalid('a tar header whose checksum is wrong');
  }
}

/** Schilling's star keeps times behind a shorter prefix and marks the block's end. */
function isStar(block: Buffer): boolean {
  return block.toString('latin1', 508, 512) === 'tar\0';
}
