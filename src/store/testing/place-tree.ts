import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { internal, invalid, run } from '../../base/index.ts';
import type { PlaceTree } from '../layer-format.ts';

const FILE_WORKER = fileURLToPath(new URL('../../../native/build/berth-fs', import.meta.url));

/** Makes a layer's folder with the real file worker, as the daemon does. */
export const placeTree: PlaceTree = async ({ directory, contentsPath, entriesPath, signal }) => {
  const input = await readFile(entriesPath);
  const { code, stderr } = await run(FILE_WORKER, ['unpack-layer', directory, contentsPath], {
    input,
    signal,
  });
  if (code === 0) return;
  if (stderr.startsWith('invalid: ')) throw invalid(stderr);
  throw internal(stderr);
};
