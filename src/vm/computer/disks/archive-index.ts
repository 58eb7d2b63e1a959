import { type Digest, invalid, isDigest } from '../../../base/index.ts';
import { LARGEST_DISK } from './contract.ts';

/** What an archive's first file says of the others. */
export interface ArchiveIndex {
  readonly format: typeof FORMAT;
  readonly version: typeof VERSION;
  readonly description: unknown;
  /** In the order of booting. */
  readonly disks: readonly ArchivedDisk[];
  readonly variables?: ArchivedFile;
}

export interface ArchivedFile {
  /** Bytes in the archive. */
  readonly bytes: number;
  readonly sha256: Digest;
}

export interface ArchivedDisk extends ArchivedFile {
  readonly name: string;
  /** Bytes that the guest sees. */
  readonly size: number;
}

/** The names of an archive's files. */
export const INDEX_NAME = 'machine.json';
export const VARIABLES_NAME = 'variables.fd';
export const diskFileName = (name: string): string => `disks/${name}.qcow2`;

/** An index has a few kilobytes; user data of cloud-init may be in it. */
export const MOST_INDEX_BYTES = 4 * 1024 ** 2;

/** Firmware's variables have a few hundred kilobytes. */
const MOST_VARIABLES_BYTES = 64 * 1024 ** 2;

const FORMAT = 'berth-machine';
const VERSION = 1;
const MOST_DISKS = 32;
const DISK_NAME = /^[a-z0-9][a-z0-9-]{0,31}$/;

export function archiveIndex(content: Omit<ArchiveIndex, 'format' | 'version'>): string {
  return `${JSON.stringify({ format: FORMAT, version: VERSION, ...content }, undefined, 2)}\n`;
}

/** Throws `invalid` for text that is no index, and for one of a newer berth. */
export function parseArchiveIndex(text: string): ArchiveIndex {
  const value = parseObject(text);
  if (value.format !== FORMAT) throw invalid(`${INDEX_NAME} in the archive describes no machine`);
  if (value.version !== VERSION) {
    throw invalid(`the archive has format ${String(value.version)}; this berth reads format ${VERSION}`, {
      hint: 'Import it with the berth that has exported it, or a newer one',
    });
  }
  const { description, disks, variables } = value;
  if (!Array.isArray(disks) || disks.length === 0 || disks.length > MOST_DISKS) throw broken('its disks');
  const parsed = disks.map(parseDisk);
  if (new Set(parsed.map(({ name }) => name)).size !== parsed.length) throw broken('two disks of one name');
  return {
    ...{ format: FORMAT, version: VERSION, description, disks: parsed },
    ...(variables === undefined ? {} : { variables: parseFile(variables, MOST_VARIABLES_BYTES) }),
  };
}

function parseObject(text: string): Partial<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value;
  } catch (cause) {
    throw invalid(`${INDEX_NAME} in the archive is no JSON`, { cause });
  }
  throw broken('it is no object');
}

function parseDisk(value: unknown): ArchivedDisk {
  const { name, size } = fieldsOf(value);
  if (typeof name !== 'string' || !DISK_NAME.test(name)) throw broken('the name of a disk');
  if (!isCount(size, LARGEST_DISK)) throw broken(`the size of disk ${name}`);
  return { name, size, ...parseFile(value, LARGEST_DISK) };
}

function parseFile(value: unknown, most: number): ArchivedFile {
  const { bytes, sha256 } = fieldsOf(value);
  if (!isCount(bytes, most)) throw broken('the length of a file');
  if (typeof sha256 !== 'string' || !isDigest(sha256)) throw broken('the sha256 of a file');
  return { bytes, sha256 };
}

function fieldsOf(value: unknown): Partial<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) throw broken('an entry that is no object');
  return value;
}

const isCount = (value: unknown, most: number): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= most;

const broken = (what: string) => invalid(`${INDEX_NAME} in the archive is damaged: ${what}`);
