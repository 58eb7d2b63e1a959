import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isBerthError, unavailable } from '../../../base/index.ts';
import type { TakeOptions } from '../disks/contract.ts';
import { imageName } from '../disks/node-options.ts';
import { COPY_LIMITS, type QemuImg } from '../disks/qemu-img.ts';
import { makeBootLoader, requireTools } from './boot-loader.ts';
import { bootstrap } from './bootstrap.ts';
import { hostAptSettings, hostArchives, sourcesOf } from './package-sources.ts';
import { type DebianRelease, packagesOf } from './releases.ts';
import { writeSystemDisk } from './system-disk.ts';
import { writeSystemFiles } from './system-files.ts';
import { tidySystem } from './tidy-system.ts';

/** Makes Debian systems that firmware boots. */
export interface SystemBuilder {
  /**
   * Calls `use` with a new qcow2 file, which it may take away. Nothing else stays, however it ends. Throws `unavailable` when packages or
   * programs are missing.
   */
  build<T>(release: DebianRelease, options: TakeOptions, use: (path: string) => Promise<T>): Promise<T>;
}

/** Files of a system that is being made, in a folder of its own. */
const DISK = 'disk.raw';
const COMPACT = 'disk.qcow2';

/** Systems made by mmdebstrap from the packages of the archive that the host's own come from. */
export class MmdebstrapBuilder implements SystemBuilder {
  readonly #temporary: string;
  readonly #qemuImg: QemuImg;

  /** `temporary` is on no small file system, and emptied by each start of berthd. */
  constructor(temporary: string, qemuImg: QemuImg) {
    this.#temporary = temporary;
    this.#qemuImg = qemuImg;
  }

  async build<T>(
    release: DebianRelease,
    options: TakeOptions,
    use: (path: string) => Promise<T>,
  ): Promise<T> {
    await requireTools();
    await mkdir(this.#temporary, { recursive: true, mode: 0o700 });
    const work = await mkdtemp(join(this.#temporary, 'debian-'));
    try {
      await makeSystem(work, release, options);
      await this.#compact(work, options.signal);
      return await use(join(work, COMPACT));
    } catch (error) {
      if (!isBerthError(error, 'unavailable') || error.hint !== undefined) throw error;
      throw unavailable(`a Debian system of ${release.codename} could not be made: ${error.message}`, {
        hint: 'Look whether apt-get update works on this host: the packages come from where its own do',
        cause: error,
      });
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  }

  /** Without the holes: whoever reads it whole reads a twentieth. */
  async #compact(work: string, signal: AbortSignal | undefined): Promise<void> {
    const from = imageName({ path: DISK, format: 'raw' });
    await this.#qemuImg.runChecked(['convert', '-q', '-W', '-O', 'qcow2', from, COMPACT], {
      subject: 'a new Debian system',
      folder: work,
      confinement: { limits: COPY_LIMITS, user: undefined, writes: true },
      signal,
    });
  }
}

/** Leaves a system in the file {@link DISK} of the folder `work`. */
async function makeSystem(
  work: string,
  release: DebianRelease,
  { signal, onProgress }: TakeOptions,
): Promise<void> {
  const [archives, aptSettings] = await Promise.all([hostArchives(signal), hostAptSettings(signal)]);
  const rootUuid = randomUUID();
  const root = join(work, 'root');
  const files = join(work, 'files');
  await mkdir(files, { mode: 0o755 });
  await writeSystemFiles(files, { rootUuid });
  const wanted = {
    codename: release.codename,
    packages: packagesOf(release),
    sources: sourcesOf(release, archives),
    ...{ aptSettings, files },
  };
  onProgress?.({ stage: 'downloading', done: 0, total: undefined });
  const onLine = (line: string) => {
    if (/^I: (extracting|installing)/.test(line))
      onProgress?.({ stage: 'installing', done: 0, total: undefined });
  };
  await bootstrap(root, wanted, { onLine, ...(signal && { signal }) });
  await tidySystem(root);
  onProgress?.({ stage: 'copying', done: 0, total: undefined });
  const loader = await makeBootLoader(work, rootUuid, signal);
  await writeSystemDisk(join(work, DISK), { root, rootUuid, loader }, signal);
}
