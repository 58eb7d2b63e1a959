import { mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { BenchDaemon } from './engines.ts';

/** Where scripts/setup-machines keeps them. */
const SYSTEMS = `${process.env.BERTH_CACHE ?? '/var/cache/berth'}/machine-systems/images`;

/** Lets a berthd find Debian systems as if it had made them, which takes minutes. */
export function provideDebianSystems(berthd: BenchDaemon): void {
  const images = join(dataRootOf(berthd), 'vm/images');
  mkdirSync(images, { recursive: true });
  for (const name of readdirSync(SYSTEMS)) symlinkSync(join(SYSTEMS, name), join(images, name));
}

export function dataRootOf({ host }: BenchDaemon): string {
  return join(dirname(host.slice('unix://'.length)), 'data');
}
