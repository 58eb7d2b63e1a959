import { notImplemented } from '../../base/index.ts';
import type { Computers } from './contract.ts';

/** Where nothing runs computers yet: they are refused by name. */
export const missingComputers: Computers = {
  runtime: { path: '', args: [] },
  check: async () => refuse(),
  prepare: async () => refuse(),
  release: async () => {},
};

function refuse(): never {
  throw notImplemented('machines cannot be started yet');
}
