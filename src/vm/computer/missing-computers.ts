import { notImplemented } from '../../base/index.ts';
import type { DebianSystems } from './systems.ts';

/** Where nothing makes these yet: they are refused by name. */
export const missingDebian: DebianSystems = {
  provide: async () => refuse('Debian systems cannot be made yet'),
};

function refuse(what: string): never {
  throw notImplemented(what);
}
