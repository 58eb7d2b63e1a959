/**
 * The framing of every socket and pipe between berthd and its native parts
 * (`native/common/frame.h` is the same in C):
 *
 *     u32 length of what follows | u8 protocol version | u8 type | u16 id | payload
 *
 * all little-endian. A payload is raw bytes (streams) or fields: u16 tag, u32 length, bytes, repeated.
 */
export const PROTOCOL_VERSION = 2;

/** The version before: that of the supervisors which an older berthd has left. */
export const PREVIOUS_PROTOCOL_VERSION = 1;

/** A frame longer than this is a protocol error. */
export const MAX_FRAME = 16 * 1024 * 1024;

const HEADER = 8;

export interface Frame {
  readonly version: number;
  readonly type: number;
  readonly id: number;
  readonly payload: Buffer;
}

/** One field of a payload. */
export interface Field {
  readonly tag: number;
  readonly value: Buffer;
}

export function encodeFrame(
  type: number,
  id: number,
  payload: Uint8Array = new Uint8Array(),
  version: number = PROTOCOL_VERSION,
): Buffer {
  const frame = Buffer.allocUnsafe(HEADER + payload.length);
  frame.writeUInt32LE(HEADER - 4 + payload.length, 0);
  frame.writeUInt8(version, 4);
  frame.writeUInt8(type, 5);
  frame.writeUInt16LE(id, 6);
  frame.set(payload, HEADER);
  return frame;
}

/** Splits a byte stream into frames: feed chunks, get whole frames. */
export class FrameDecoder {
  #pending: Buffer = Buffer.alloc(0);

  /** Throws when a length is impossible; the stream is then unusable. */
  push(chunk: Uint8Array): Frame[] {
    this.#pending = this.#pending.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#pending, chunk]);
    const frames: Frame[] = [];
    let at = 0;
    while (this.#pending.length - at >= HEADER) {
      const length = this.#pending.readUInt32LE(at);
      if (length < HEADER - 4 || length > MAX_FRAME)
        throw new RangeError(`impossible frame length ${length}`);
      if (this.#pending.length - at < 4 + length) break;
      frames.push({
        version: this.#pending.readUInt8(at + 4),
        type: this.#pending.readUInt8(at + 5),
        id: this.#pending.readUInt16LE(at + 6),
        payload: this.#pending.subarray(at + HEADER, at + 4 + length),
      });
      at += 4 + length;
    }
    this.#pending = this.#pending.subarray(at);
    return frames;
  }
}

/** Builds a payload of fields. Numbers are u64. */
export class FieldWriter {
  readonly #parts: Buffer[] = [];

  bytes(tag: number, value: Uint8Array): this {
    const head = Buffer.allocUnsafe(6);
    head.writeUInt16LE(tag, 0);
    head.writeUInt32LE(value.length, 2);
    this.#parts.push(head, Buffer.from(value));
    return this;
  }

  text(tag: number, value: string): this {
    return this.bytes(tag, Buffer.from(value));
  }

  number(tag: number, value: number | bigint): this {
    const bytes = Buffer.allocUnsafe(8);
    bytes.writeBigUInt64LE(BigInt(value));
    return this.bytes(tag, bytes);
  }

  finish(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

/** The fields of a payload, in order. Throws RangeError when they do not fill it exactly. */
export function decodeFields(payload: Buffer): Field[] {
  const fields: Field[] = [];
  let at = 0;
  while (at < payload.length) {
    const length = payload.readUInt32LE(at + 2);
    if (at + 6 + length > payload.length) throw new RangeError('a field ends after its payload');
    fields.push({ tag: payload.readUInt16LE(at), value: payload.subarray(at + 6, at + 6 + length) });
    at += 6 + length;
  }
  return fields;
}
