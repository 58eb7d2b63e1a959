import { type ByteString, TAR_BLOCK, type Timestamp } from '../tar/header.ts';

/** What a header of its own says of an entry; all else is in the records before it. */
export interface PlainFields {
  /** The type flag of POSIX pax, "ustar Interchange Format". */
  readonly type: '0' | '1' | '2' | '3' | '4' | '5' | '6';
  readonly mode?: number;
  readonly major?: number;
  readonly minor?: number;
}

/** An entry without content: a PAX header with these records, then a ustar header. */
export function encodeTarEntry(
  fields: PlainFields,
  records: ReadonlyMap<ByteString, ByteString | Buffer>,
): Buffer {
  const data = Buffer.concat([...records].map(([key, value]) => encodeRecord(key, value)));
  const padding = Buffer.alloc(-data.length & (TAR_BLOCK - 1));
  return Buffer.concat([header({ type: 'x', size: data.length }), data, padding, header(fields)]);
}

/** PAX's form of a time, decimal seconds with a fraction. */
export function encodeTime({ seconds, nanoseconds }: Timestamp): string {
  if (seconds >= 0 || nanoseconds === 0) return `${seconds}.${digits(nanoseconds)}`;
  const whole = seconds + 1;
  return `${whole === 0 ? '-0' : whole}.${digits(1e9 - nanoseconds)}`;
}

const digits = (nanoseconds: number) => `${nanoseconds}`.padStart(9, '0');

/** `LENGTH KEY=VALUE\n`, where the length counts its own digits. */
function encodeRecord(key: ByteString, value: ByteString | Buffer): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'latin1') : value;
  const rest = Buffer.concat([Buffer.from(` ${key}=`, 'latin1'), bytes, Buffer.from('\n')]);
  let length = rest.length + `${rest.length}`.length;
  length = rest.length + `${length}`.length; // one digit more may need one digit more
  return Buffer.concat([Buffer.from(`${length}`), rest]);
}

function header(fields: {
  readonly type: string;
  readonly size?: number;
  readonly mode?: number;
  readonly major?: number;
  readonly minor?: number;
}): Buffer {
  const { type, size = 0, mode = 0, major = 0, minor = 0 } = fields;
  const block = Buffer.alloc(TAR_BLOCK);
  block.write('entry', 0); // its name is in the records
  writeOctal(block, 100, 8, mode);
  writeOctal(block, 108, 8, 0);
  writeOctal(block, 116, 8, 0);
  writeOctal(block, 124, 12, size);
  writeOctal(block, 136, 12, 0);
  block.fill(' ', 148, 156);
  block.write(type, 156);
  block.write('ustar\x0000', 257);
  writeOctal(block, 329, 8, major);
  writeOctal(block, 337, 8, minor);
  writeOctal(
    block,
    148,
    7,
    block.reduce((sum, byte) => sum + byte, 0),
  );
  return block;
}

function writeOctal(block: Buffer, at: number, length: number, value: number): void {
  block.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at, 'latin1');
}
