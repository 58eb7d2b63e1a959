/**
 * The entry of a worker thread that unpacks layers, one after the other. A bundle needs it as an entry of its
 * own, `store/unpack/layer-worker.js`.
 */
import { createReadStream } from 'node:fs';
import { type MessagePort, parentPort } from 'node:worker_threads';
import { receiveStream } from './port-stream.ts';
import { toPlainError, type UnpackReply, type UnpackRequest } from './protocol.ts';
import { type UnpackedLayer, unpackLayer } from './unpack-layer.ts';

/** Decompressing large pieces costs the thread less than many small ones. */
const READ_SIZE = 1024 * 1024;
/** Progress is told at most once per so many bytes of input. */
const PROGRESS_STEP = 1024 * 1024;

function serve(port: MessagePort): void {
  const reply = (message: UnpackReply) => port.postMessage(message);
  port.on('message', async (request: UnpackRequest) => {
    try {
      const layer = await unpack(request, (bytes) => reply({ type: 'progress', bytes }));
      reply({ type: 'done', layer });
    } catch (error) {
      reply({ type: 'failed', error: toPlainError(error) });
    }
  });
}

async function unpack(
  { input, output, expected }: UnpackRequest,
  onProgress: (bytes: number) => void,
): Promise<UnpackedLayer> {
  if ('port' in input) {
    const source = receiveStream(input.port);
    try {
      return await unpackLayer(source, { output, expected });
    } finally {
      source.destroy();
    }
  }
  const source = createReadStream(input.path, { highWaterMark: READ_SIZE });
  let told = 0;
  const onChunk = () => {
    if (source.bytesRead - told < PROGRESS_STEP) return;
    told = source.bytesRead;
    onProgress(told);
  };
  try {
    const layer = await unpackLayer(source, { output, expected, onChunk });
    onProgress(source.bytesRead);
    return layer;
  } finally {
    source.destroy();
  }
}

if (parentPort !== null) serve(parentPort);
