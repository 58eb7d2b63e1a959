import { invalid } from '../../../base/index.ts';

const SECTOR = 2048;
/** The first sixteen sectors belong to nobody (ECMA-119, 6.2.1). */
const SYSTEM_AREA = 16;
const JOLIET_LEVEL_3 = '%/E';

/** A file in the medium's only folder. */
export interface MediumFile {
  /** As systems see it: Joliet's name, up to 64 characters. */
  readonly name: string;
  readonly data: Buffer;
}

/** The two ways in which the medium says the same: with names for everybody, and with whole names in UCS-2. */
type Naming = 'plain' | 'joliet';

/**
 * An optical medium (ECMA-119, known as ISO 9660) with a few files in its root folder, whose whole names are in a Joliet
 * descriptor: Linux, the BSDs and Windows read them. Throws `invalid` for names that have no place.
 */
export function isoImage(label: string, files: readonly MediumFile[], created: Date): Buffer {
  const medium = layOut(label, files, created);
  return Buffer.concat([
    Buffer.alloc(SYSTEM_AREA * SECTOR),
    volumeDescriptor('plain', medium),
    volumeDescriptor('joliet', medium),
    descriptorEnd(),
    ...(['plain', 'joliet'] as const).flatMap((naming) => [
      pathTable(medium.folders[naming], 'little'),
      pathTable(medium.folders[naming], 'big'),
      folder(naming, medium),
    ]),
    ...files.map(({ data }) => inSectors(data)),
  ]);
}

interface Medium {
  readonly label: string;
  readonly created: Date;
  readonly files: readonly (MediumFile & { readonly sector: number; readonly plainName: string })[];
  /** The sectors of the root folders; each has its two path tables before it. */
  readonly folders: Readonly<Record<Naming, number>>;
  readonly sectors: number;
}

function layOut(label: string, files: readonly MediumFile[], created: Date): Medium {
  const tables = SYSTEM_AREA + 3;
  let sector = tables + 6;
  const placed = files.map((file, index) => {
    const at = sector;
    sector += Math.ceil(file.data.length / SECTOR);
    return { ...file, sector: at, plainName: plainName(file.name, index) };
  });
  return {
    ...{ label, created, sectors: sector },
    files: placed,
    folders: { plain: tables + 2, joliet: tables + 5 },
  };
}

/** Eight letters and digits that differ for each file: nobody reads these but systems that do not know Joliet. */
function plainName(name: string, index: number): string {
  if (name === '' || name.length > 64 || !/^[\x20-\x7e]+$/.test(name) || /[*/:;?\\]/.test(name)) {
    throw invalid(`"${name}" cannot be the name of a file on an optical medium`);
  }
  const letters = name.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_');
  return `${letters.slice(0, 7)}${index.toString(36).toUpperCase()}.;1`;
}

/** Of the whole volume (ECMA-119, 8.4 and 8.5). */
function volumeDescriptor(naming: Naming, medium: Medium): Buffer {
  const text = (value: string, length: number) => textField(naming, value, length);
  const descriptor = Buffer.alloc(SECTOR);
  descriptor.writeUInt8(naming === 'plain' ? 1 : 2, 0);
  descriptor.write('CD001', 1, 'latin1');
  descriptor.writeUInt8(1, 6);
  text('', 32).copy(descriptor, 8);
  text(medium.label, 32).copy(descriptor, 40);
  bothOrders(medium.sectors, 4).copy(descriptor, 80);
  if (naming === 'joliet') descriptor.write(JOLIET_LEVEL_3, 88, 'latin1');
  bothOrders(1, 2).copy(descriptor, 120);
  bothOrders(1, 2).copy(descriptor, 124);
  bothOrders(SECTOR, 2).copy(descriptor, 128);
  bothOrders(pathTableEntry(0, 'little').length, 4).copy(descriptor, 132);
  const root = medium.folders[naming];
  descriptor.writeUInt32LE(root - 2, 140);
  descriptor.writeUInt32BE(root - 1, 148);
  folderEntry(root, '\0', medium.created).copy(descriptor, 156);
  for (const [offset, length] of TEXTS) text('', length).copy(descriptor, offset);
  const moment = digits(medium.created);
  for (const offset of [813, 830]) moment.copy(descriptor, offset);
  for (const offset of [847, 864]) digits(undefined).copy(descriptor, offset);
  descriptor.writeUInt8(1, 881);
  return descriptor;
}

/** Where a descriptor has texts that say nothing here: set, publisher, preparer, application and three files. */
const TEXTS = [
  [190, 128],
  [318, 128],
  [446, 128],
  [574, 128],
  [702, 37],
  [739, 37],
  [776, 37],
] as const;

function descriptorEnd(): Buffer {
  const descriptor = Buffer.alloc(SECTOR);
  descriptor.writeUInt8(255, 0);
  descriptor.write('CD001', 1, 'latin1');
  descriptor.writeUInt8(1, 6);
  return descriptor;
}

function folder(naming: Naming, medium: Medium): Buffer {
  const own = medium.folders[naming];
  const entries = [
    folderEntry(own, '\0', medium.created),
    folderEntry(own, '\x01', medium.created), // the root is its own parent
    ...medium.files
      .map(({ name, plainName, data, sector }) => ({
        name: naming === 'plain' ? Buffer.from(plainName, 'latin1') : ucs2(name),
        ...{ sector, length: data.length, created: medium.created, isFolder: false },
      }))
      .toSorted((one, other) => Buffer.compare(one.name, other.name)) // ECMA-119, 9.3
      .map(entry),
  ];
  const content = Buffer.concat(entries);
  if (content.length > SECTOR) throw invalid('too many files for a small optical medium');
  return inSectors(content);
}

const folderEntry = (sector: number, name: string, created: Date): Buffer =>
  entry({ name: Buffer.from(name, 'latin1'), sector, length: SECTOR, created, isFolder: true });

interface Entry {
  readonly name: Buffer;
  readonly sector: number;
  readonly length: number;
  readonly created: Date;
  readonly isFolder: boolean;
}

/** A directory record (ECMA-119, 9.1): of an even length. */
function entry({ name, sector, length, created, isFolder }: Entry): Buffer {
  const size = 33 + name.length + ((33 + name.length) % 2);
  const record = Buffer.alloc(size);
  record.writeUInt8(size, 0);
  bothOrders(sector, 4).copy(record, 2);
  bothOrders(length, 4).copy(record, 10);
  record.set(
    [
      created.getUTCFullYear() - 1900,
      created.getUTCMonth() + 1,
      created.getUTCDate(),
      created.getUTCHours(),
      created.getUTCMinutes(),
      created.getUTCSeconds(),
    ],
    18,
  );
  record.writeUInt8(isFolder ? 2 : 0, 25);
  bothOrders(1, 2).copy(record, 28);
  record.writeUInt8(name.length, 32);
  name.copy(record, 33);
  return record;
}

type ByteOrder = 'little' | 'big';

const pathTable = (root: number, order: ByteOrder): Buffer => inSectors(pathTableEntry(root, order));

/** The only folder's record in a path table (ECMA-119, 9.4). */
function pathTableEntry(root: number, order: ByteOrder): Buffer {
  const record = Buffer.alloc(10);
  record.writeUInt8(1, 0);
  if (order === 'little') record.writeUInt32LE(root, 2);
  else record.writeUInt32BE(root, 2);
  record.writeUInt16LE(1, 6);
  if (order === 'big') record.writeUInt16BE(1, 6);
  return record;
}

/** A number in both byte orders, little-endian first (ECMA-119, 7.2.3 and 7.3.3). */
function bothOrders(value: number, bytes: 2 | 4): Buffer {
  const field = Buffer.alloc(bytes * 2);
  field.writeUIntLE(value, 0, bytes);
  field.writeUIntBE(value, bytes, bytes);
  return field;
}

/** Filled up with spaces. */
function textField(naming: Naming, value: string, length: number): Buffer {
  if (naming === 'plain') return Buffer.from(value.padEnd(length), 'latin1');
  const field = Buffer.alloc(length); // an odd one ends with a zero byte
  ucs2(value.padEnd(Math.floor(length / 2))).copy(field);
  return field;
}

const ucs2 = (text: string): Buffer => Buffer.from(text, 'utf16le').swap16();

/** Seventeen bytes: digits to hundredths of a second, and the zone (ECMA-119, 8.4.26.1); undefined: no time given. */
function digits(moment: Date | undefined): Buffer {
  const text = moment?.toISOString().replaceAll(/\D/g, '').slice(0, 16) ?? '0'.repeat(16);
  return Buffer.from(`${text}\0`, 'latin1');
}

function inSectors(data: Buffer): Buffer {
  const padded = Buffer.alloc(Math.ceil(data.length / SECTOR) * SECTOR);
  data.copy(padded);
  return padded;
}
