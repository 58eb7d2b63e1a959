import { notImplemented } from '../../base/index.ts';
import type { Computers } from './contract.ts';
import type { DebianSystems, FirstBootMedia } from './systems.ts';

/** Where nothing runs computers yet: they are refused by name. */
export const missingComputers: Computers = {
  runtime: { path: '', args: [] },
  check: async () => refuse('machines cannot be started yet'),
  prepare: async () => refuse('machines cannot be started yet'),
  release: async () => {},
};

export const missingDebian: DebianSystems = {
  provide: async () => refuse('Debian systems cannot be made yet'),
};

export const missingFirstBoot: FirstBootMedia = {
  check: () => {},
  write: async () => refuse('first-boot data cannot be written yet'),
};

function refuse(what: string): never {
  throw notImplemented(what);
}
