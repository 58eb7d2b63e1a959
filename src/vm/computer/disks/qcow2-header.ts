import { invalid } from '../../../base/index.ts';
import { LARGEST_DISK, SECTOR } from './contract.ts';

/** What a qcow2 file says of itself (QEMU, docs/interop/qcow2.txt). */
export interface Qcow2Header {
  readonly virtualSize: number;
  /** Kept inside the file. */
  readonly snapshots: number;
}

/** So many bytes at the beginning of a file are enough. */
export const QCOW2_HEADER_SIZE = 112;

const MAGIC = 0x514649fb; // "QFI\xfb"
/** Of version 2, which has nothing behind it. */
const SHORT_HEADER = 72;

const DIRTY = 1n;
const CORRUPT = 2n;
const EXTERNAL_DATA = 4n;
/** Compression type and extended L2 entries: QEMU knows them, and they name no other file. */
const HARMLESS = 8n | 16n;

const MOST_L1_ENTRIES = (32 * 1024 ** 2) / 8; // QEMU's own bounds
const MOST_REFCOUNT_BYTES = 8 * 1024 ** 2;
const MOST_SNAPSHOTS = 65_536;

export function isQcow2(head: Buffer): boolean {
  return head.length >= 4 && head.readUInt32BE(0) === MAGIC;
}

/**
 * Reads and judges a header, before any program opens the file. Throws `invalid` for one that names other files (a backing
 * file, external data), is encrypted, damaged, or has measures that no disk has. `subject` is the image, for messages.
 */
export function readQcow2Header(head: Buffer, subject: string): Qcow2Header {
  if (!isQcow2(head)) throw invalid(`${subject} is no qcow2 image`, { hint: 'Say what it is: --format raw' });
  if (head.length < SHORT_HEADER) throw cutOff(subject);
  const version = head.readUInt32BE(4);
  if (version !== 2 && version !== 3) {
    throw invalid(`${subject} has version ${version} of the qcow format`, { hint: conversion(subject) });
  }
  if (version === 3 && head.length < SHORT_HEADER + 32) throw cutOff(subject);
  refuseOtherFiles(head, subject);
  if (version === 3) refuseFeatures(head.readBigUInt64BE(72), subject);
  refuseMeasures(head, version, subject);
  return { virtualSize: Number(head.readBigUInt64BE(24)), snapshots: head.readUInt32BE(60) };
}

function refuseOtherFiles(head: Buffer, subject: string): void {
  if (head.readBigUInt64BE(8) !== 0n || head.readUInt32BE(16) !== 0) {
    throw invalid(`${subject} has a backing file, which would let a machine read other files of this host`, {
      hint: `Make it one file: ${conversion(subject)}`,
    });
  }
  const encryption = head.readUInt32BE(32);
  if (encryption !== 0) {
    throw invalid(`${subject} is encrypted (${encryption === 2 ? 'LUKS' : `method ${encryption}`})`, {
      hint: 'Decrypt it with qemu-img convert, which asks for its secret',
    });
  }
}

function refuseFeatures(features: bigint, subject: string): void {
  if ((features & EXTERNAL_DATA) !== 0n) {
    throw invalid(
      `${subject} keeps its data in another file, which would let a machine read files of this host`,
      { hint: `Make it one file: ${conversion(subject)}` },
    );
  }
  if ((features & (DIRTY | CORRUPT)) !== 0n) {
    throw invalid(
      `${subject} is marked as ${(features & CORRUPT) === 0n ? 'not closed properly' : 'corrupt'}`,
      {
        hint: 'Repair a copy of it: qemu-img check -r all FILE',
      },
    );
  }
  const unknown = features & ~HARMLESS;
  if (unknown !== 0n) throw invalid(`${subject} has features that are not known (0x${unknown.toString(16)})`);
}

function refuseMeasures(head: Buffer, version: number, subject: string): void {
  const broken = (what: string) => invalid(`${subject} is damaged or made to harm: ${what}`);
  const clusterBits = head.readUInt32BE(20);
  if (clusterBits < 9 || clusterBits > 21) throw broken(`clusters of 2^${clusterBits} bytes`);
  const size = head.readBigUInt64BE(24);
  if (size === 0n || size > BigInt(LARGEST_DISK)) throw broken(`a disk of ${size} bytes`);
  if (size % BigInt(SECTOR) !== 0n) throw broken(`a disk of ${size} bytes, which are no whole sectors`);
  const level1 = head.readUInt32BE(36);
  if (level1 > MOST_L1_ENTRIES) throw broken(`a table of ${level1} entries`);
  const refcounts = head.readUInt32BE(56) * 2 ** clusterBits;
  if (refcounts === 0 || refcounts > MOST_REFCOUNT_BYTES)
    throw broken(`a reference table of ${refcounts} bytes`);
  const snapshots = head.readUInt32BE(60);
  if (snapshots > MOST_SNAPSHOTS) throw broken(`${snapshots} snapshots`);
  if (version === 3 && head.readUInt32BE(96) > 6)
    throw broken(`references of 2^${head.readUInt32BE(96)} bits`);
}

const cutOff = (subject: string) => invalid(`${subject} ends within its header`);

const conversion = (subject: string) => `qemu-img convert -O qcow2 ${subject} NEW.qcow2`;
