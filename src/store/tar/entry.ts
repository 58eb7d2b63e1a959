import type { ByteString, Timestamp } from './header.ts';

/** What all entries of a tar carry. */
export interface EntryMetadata {
  /** As the archive spells it: not checked, not normalised. */
  readonly name: ByteString;
  /** Permission, set-id and sticky bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: Timestamp;
  /** By full name, `security.capability`. */
  readonly xattrs: ReadonlyMap<ByteString, Buffer>;
}

/** One entry of a tar, extended headers applied. */
export type TarEntry = EntryMetadata &
  (
    | { readonly type: 'file'; readonly size: number }
    | { readonly type: 'directory' }
    | { readonly type: 'symlink'; readonly target: ByteString }
    | { readonly type: 'hardlink'; readonly target: ByteString }
    | { readonly type: 'character' | 'block'; readonly major: number; readonly minor: number }
    | { readonly type: 'fifo' }
  );

/** Receives a tar as it is read. `data` and `hole` follow an entry of a file and add up to its size. */
export interface TarSink {
  entry(entry: TarEntry): void;
  /** The chunk is only valid during the call. */
  data(chunk: Buffer): void;
  /** So many zeros that the archive does not store. */
  hole(length: number): void;
}

/** A byte string for people: UTF-8 where it is, control characters escaped. */
export function printableName(name: ByteString): string {
  return JSON.stringify(Buffer.from(name, 'latin1').toString('utf8')).slice(1, -1);
}
