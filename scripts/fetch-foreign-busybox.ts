// fetch-foreign-busybox.ts FILE: keeps Debian's busybox-static there, for the first architecture that machines can have and this host has not.
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errorMessage } from '../src/base/index.ts';
import { architectureNamed, architectureNames } from '../src/vm/architecture.ts';
import { aptFor, unpackPackage } from '../src/vm/debian-package.ts';

const [file = ''] = process.argv.slice(2);
const [, foreign = 'arm64'] = architectureNames();
const folder = await mkdtemp('/tmp/berth-busybox-');
try {
  const apt = await aptFor(architectureNamed(foreign), folder);
  await cp(join(await unpackPackage(apt, 'busybox-static', folder), 'bin/busybox'), file);
} catch (error) {
  console.error(errorMessage(error));
  process.exitCode = 1;
} finally {
  await rm(folder, { recursive: true });
}
