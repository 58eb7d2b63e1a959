/**
 * The entry of a worker thread that unpacks layers, one after the other. A bundle needs it as an entry of its
 * own, `store/unpack/layer-worker.js`.
 */
import { open } from 'node:fs/promises';
import { type MessagePort, parentPort } from 'node:worker_threads';
import { receiveChunks } from './port-stream.ts';
import { toPlainError, type UnpackReply, type UnpackRequest } from './protocol.ts';
import { type UnpackedLayer, unpackLayer } from './unpack-layer.ts';

/** Decompressing large pieces costs the thread less than many small ones. */
const READ_SIZE = 1024 * 1024;

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
  if (!('port' in input)) return unpackLayer(fileChunks(input.path, onProgress), { output, expected });
  try {
    return await unpackLayer(receiveChunks(input.port), { output, expected });
  } finally {
    input.port.close();
  }
}

/** A file's content by one buffer: each chunk is the reader's until it asks for the next one. */
async function* fileChunks(path: string, onProgress: (bytes: number) => void): AsyncGenerator<Buffer> {
  await using file = await open(path, 'r');
  const buffer = Buffer.alloc(READ_SIZE);
  for (let total = 0; ; ) {
    const { bytesRead } = await file.read(buffer, 0, READ_SIZE);
    if (bytesRead === 0) return;
    total += bytesRead;
    yield buffer.subarray(0, bytesRead);
    onProgress(total);
  }
}

if (parentPort !== null) serve(parentPort);
