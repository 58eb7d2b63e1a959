import { notImplemented } from '../../base/index.ts';
import type { DebianSystems, FirstBootMedia } from './systems.ts';

/** Where nothing makes these yet: they are refused by name. */
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
