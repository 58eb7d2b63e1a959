import { invalid, notImplemented, parseSize } from '../base/index.ts';
import type { HostOptions } from '../engine/index.ts';
import type { Fields } from './fields.ts';

/** HostConfig.StorageOpt: a virtual machine has a disk of its own, and so a size. Throws `not-implemented` for all else. */
export function parseDiskSize(
  host: Fields,
  { isolation }: Pick<HostOptions, 'isolation'>,
): Pick<HostOptions, 'diskSize'> {
  const options = host.object('StorageOpt');
  const refused = options.names().find((name) => isolation !== 'vm' || name !== 'size');
  if (refused !== undefined) {
    throw notImplemented(`berth does not have the option HostConfig.StorageOpt "${refused}"`, {
      hint:
        isolation === 'vm'
          ? "A virtual machine's disk has a size alone: --storage-opt size=20g"
          : 'The writable layers of containers share the file system of the data root, and it has no quota for each',
    });
  }
  const text = options.text('size');
  if (text === '') return {};
  const diskSize = parseSize(text);
  if (diskSize < LEAST_DISK) throw invalid(`the disk size ${text} is too small: the least is 32m`);
  return { diskSize };
}

/** An ext4 file system with a journal, and something in it. */
const LEAST_DISK = 32 * 1024 * 1024;
