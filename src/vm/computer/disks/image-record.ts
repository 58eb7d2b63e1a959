import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { isDigest, systemErrorCode } from '../../../base/index.ts';
import { fileNameOf } from './bring-image.ts';
import type { BackingImage, DiskFormat, FileSource, UrlSource } from './contract.ts';

/** What the file NAME.json beside an image holds. */
export interface ImageRecord {
  readonly version: 1;
  readonly digest: string;
  readonly format: DiskFormat;
  readonly virtualSize: number;
  /** Inside the file. */
  readonly snapshots: number;
  readonly source: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** What is known to be this image. */
  readonly origins: readonly string[];
}

const NAME = /^[0-9a-f]{64}\.(qcow2|raw)$/;

export const isImageName = (name: string): boolean => NAME.test(name);

/** All images of a folder whose record is whole, by their names. */
export async function readRecords(directory: string): Promise<ReadonlyMap<string, ImageRecord>> {
  const files = new Set(await namesIn(directory));
  const images = [...files].filter((name) => isImageName(name) && files.has(`${name}.json`));
  const records = await Promise.all(
    images.map(async (name) => [name, await readRecord(directory, name)] as const),
  );
  return new Map(records.flatMap(([name, record]) => (record === undefined ? [] : [[name, record]])));
}

export async function namesIn(directory: string): Promise<readonly string[]> {
  return readdir(directory).catch((error: unknown) => {
    if (systemErrorCode(error) === 'ENOENT') return [];
    throw error;
  });
}

/** Undefined when it is missing or not as this berth writes it: the image is then taken in again. */
async function readRecord(directory: string, name: string): Promise<ImageRecord | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(join(directory, `${name}.json`), 'utf8'));
    return isRecord(value) ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function isRecord(value: unknown): value is ImageRecord {
  if (typeof value !== 'object' || value === null) return false;
  const { version, digest, format, virtualSize, snapshots, source, createdAt, origins } = value as Partial<
    Record<string, unknown>
  >;
  return (
    version === 1 &&
    typeof digest === 'string' &&
    isDigest(digest) &&
    (format === 'qcow2' || format === 'raw') &&
    [virtualSize, snapshots, createdAt].every(Number.isSafeInteger) &&
    typeof source === 'string' &&
    Array.isArray(origins) &&
    origins.every((origin) => typeof origin === 'string')
  );
}

export function imageOf(directory: string, name: string, record: ImageRecord): BackingImage {
  const { digest, format, virtualSize, source, createdAt } = record;
  if (!isDigest(digest)) throw new TypeError(`${digest} is no digest`);
  return {
    ...{ name, digest, format, virtualSize, source },
    path: join(directory, name),
    createdAt: new Date(createdAt),
  };
}

/** What a user is to know of an image. */
export function warningsOf({ snapshots, source }: ImageRecord): string[] {
  if (snapshots === 0) return [];
  return [
    `${source} has ${snapshots} snapshots inside: machines begin with its present state and do not see them`,
  ];
}

/** An unchanged file, together with all that decides how it is read. */
export function fileOrigin(identity: string, { path, format }: FileSource): string {
  return `file ${identity} ${format ?? 'any'} ${basename(path)}`;
}

/** A download, together with all that decides how it is read. */
export function downloadOrigin({ sha256, url, format }: UrlSource): string {
  return `download ${sha256} ${format ?? 'any'} ${fileNameOf(url)}`;
}

const NAMED = 'name ';

export const nameOrigin = (name: string): string => NAMED + name;

export const isNameOrigin = (origin: string): boolean => origin.startsWith(NAMED);
