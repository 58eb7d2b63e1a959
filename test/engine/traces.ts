import { readdir, readFile } from 'node:fs/promises';
import { runChecked } from '../../src/base/index.ts';
import type { Instance } from './instance.ts';

/** What an operation could leave on the machine, in a form that two moments can be compared in. */
export interface Traces {
  readonly containers: readonly string[];
  readonly images: readonly string[];
  readonly volumes: readonly string[];
  /** Below the data root, but for the database's own files. */
  readonly files: readonly string[];
  readonly mounts: readonly string[];
  /** Links that are on a bridge: spare ones, made ahead of time, are not. */
  readonly attachedLinks: readonly string[];
  readonly firewall: string;
}

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
    files: files
      .filter((path) => !/^metadata\.db|^seccomp(\/|$)|^build(\/steps)?$|^(containers|volumes)$/.test(path))
      .sort(),
    mounts: (await readFile('/proc/self/mountinfo', 'utf8')).split('\n').sort(),
    attachedLinks: links.filter((link) => / master /.test(link)).sort(),
    firewall: (await runChecked('nft', ['list', 'ruleset'])).stdout.toString(),
  };
}
