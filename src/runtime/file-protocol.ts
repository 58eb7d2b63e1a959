import { BerthError, type ErrorKind } from '../base/index.ts';

/** What berthd and berth-fs say to each other; `native/fs/protocol.h` is the same in C and explains the order. */
export const FileMessage = {
  stat: 1,
  makeDirectory: 2,
  readFile: 3,
  pack: 4,
  unpack: 5,
  packChanges: 6,
  list: 7,
  readHead: 8,
  removeEmpty: 9,
  data: 16,
  end: 17,
  cancel: 18,
  done: 32,
  failed: 33,
} as const;

export const FileField = {
  path: 1,
  follow: 2,
  uid: 3,
  gid: 4,
  limit: 5,
  as: 6,
  mode: 7,
  size: 8,
  seconds: 9,
  nanoseconds: 10,
  link: 11,
  content: 12,
  kind: 13,
  message: 14,
} as const;

/** The longest payload of a data frame. */
export const MAX_DATA = 65536;

const KINDS: readonly ErrorKind[] = [
  'invalid',
  'not-found',
  'conflict',
  'unavailable',
  'not-implemented',
  'cancelled',
];

/** A failure as berth-fs words it. */
export function workerFailure(kind: string, message: string): BerthError {
  return new BerthError(KINDS.find((known) => known === kind) ?? 'internal', message);
}
