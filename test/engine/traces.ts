import { readdir, readFile } from 'node:fs/promises';
import { runChecked } from '../../src/base/index.ts';
import type { Instance } from './instance.ts';

/** What an operation could leave on the machine, in a form that two moments can be compared in. */
export interface Traces {
  readonly containers: readonly string[];
  readonly images: readonly string[];
  readonly volumes: readonly string[];
  /**
   * Below the data root, but for the database's own files, and for the folders of a container that its supervisor mounts
   * on and takes away just after it has told of the end.
   */
  readonly files: readonly string[];
  readonly mounts: readonly string[];
  /** Links that are on a bridge: spare ones, made ahead of time, are not. */
  readonly attachedLinks: readonly string[];
  readonly firewall: string;
}

const NO_TRACE =
  /^metadata\.db|^seccomp(\/|$)|^build(\/steps)?$|^(containers|volumes)$|^containers\/\w+\/(rootfs|shm)$/;

/** The traces of this moment. */
export async function tracesOf(instance: Instance): Promise<Traces> {
  const lines = async (...args: string[]) =>
    (await instance.berthOk(args)).split('\n').filter(Boolean).sort();
  const links = (await runChecked('ip', ['-o', 'link', 'show'])).stdout.toString().split('\n');
  const files = await readdir(instance.dataRoot, { recursive: true });
  return {
    containers: await lines('ps', '-aq', '--no-trunc'),
    images: await lines('images', '-q', '--no-trunc'),
    volumes: await lines('volume', 'ls', '-q'),
    files: files.filter((path) => !NO_TRACE.test(path)).sort(),
    mounts: (await readFile('/proc/self/mountinfo', 'utf8')).split('\n').sort(),
    attachedLinks: links.filter((link) => / master /.test(link)).sort(),
    firewall: (await runChecked('nft', ['list', 'ruleset'])).stdout.toString(),
  };
}
