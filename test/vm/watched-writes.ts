import { mkdtemp, rm } from 'node:fs/promises';
import { run, runChecked } from '../../src/base/index.ts';

/**
 * Why this kernel maps more of a template's memory into a machine than the machine reads; undefined: it does not. Asked of the
 * kernel, not of its version: distributions take features into older kernels.
 */
export async function whyMoreIsMapped(): Promise<string | undefined> {
  const folder = await mkdtemp('/tmp/berth-watched-writes-');
  try {
    const program = `${folder}/watched-writes`;
    const source = `${import.meta.dirname}/watched-writes.c`;
    await runChecked('cc', [
      '-std=c11',
      '-D_GNU_SOURCE',
      '-Wall',
      '-Wextra',
      '-Werror',
      '-o',
      program,
      source,
    ]);
    const { code, stderr } = await run(program, []);
    return code === 0 ? undefined : `needs UFFD_FEATURE_WP_ASYNC, of Linux 6.7 (${stderr.trim()})`;
  } finally {
    await rm(folder, { recursive: true });
  }
}
