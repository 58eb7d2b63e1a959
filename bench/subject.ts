import { randomBytes } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { createGunzip } from 'node:zlib';
import { pack } from 'tar-stream';
import { pushImage } from '../scripts/stand-in/distribution.ts';
import type { Subject } from './measurements.ts';

const examples = join(import.meta.dirname, '../examples');

interface ImageManifest {
  readonly config: { readonly digest: string };
  readonly layers: readonly { readonly digest: string }[];
}

/**
 * Makes what is measured: python:3.8 as `source` has it, but with a layer that no engine has seen, so that a pull
 * is a pull whatever a peer holds; and the tutorial built from it. Both are served and kept for this run only.
 */
export async function prepareSubject(source: string, target: string): Promise<Subject & Disposable> {
  await pushUnseen(`${source}/v2/library/python`, `${target}/v2/bench/python`);
  const reference = `${new URL(target).host}/bench/python:3.8`;
  const context = mkdtempSync(join(tmpdir(), 'berth-bench-'));
  const archives = mkdtempSync(join(tmpdir(), 'berth-bench-'));
  cpSync(join(examples, 'flask'), context, { recursive: true });
  const dockerfile = join(context, 'Dockerfile');
  writeFileSync(dockerfile, readFileSync(dockerfile, 'utf8').replace('FROM python:3.8', `FROM ${reference}`));
  return {
    reference,
    context,
    built: 'berth-bench-flask',
    sleeper: 'berth-bench-sleeper',
    archive: join(archives, 'python.tar'),
    [Symbol.dispose]: () => {
      for (const folder of [context, archives]) rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function pushUnseen(from: string, repository: string): Promise<void> {
  const accept = 'application/vnd.docker.distribution.manifest.v2+json';
  const manifest: ImageManifest = JSON.parse(await text(`${from}/manifests/3.8`, { accept }));
  const config = JSON.parse(await text(`${from}/blobs/${manifest.config.digest}`));
  const layer = await fetch(`${from}/blobs/${manifest.layers[0]?.digest}`);
  if (layer.body === null) throw new Error(`${from} has no layer`);
  await pushImage({
    repository,
    tags: ['3.8'],
    layer: Readable.from(withOneMoreFile(Readable.fromWeb(layer.body).pipe(createGunzip()))),
    config: (diffId) => ({ ...config, rootfs: { type: 'layers', diff_ids: [diffId] } }),
  });
}

/** A tar may begin with any entry: one of random bytes makes the whole layer a new one. */
async function* withOneMoreFile(tar: Readable): AsyncGenerator<Buffer> {
  const entry = pack();
  entry.entry({ name: './.berth-bench' }, randomBytes(16).toString('hex'));
  entry.finalize();
  const blocks = await buffer(entry);
  yield blocks.subarray(0, 1024); // without the two empty blocks that end an archive
  yield* tar;
}

async function text(url: string, headers: Record<string, string> = {}): Promise<string> {
  const response = await fetch(url, { headers });
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return response.text();
}
