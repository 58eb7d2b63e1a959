import { availableParallelism } from 'node:os';
import type { Readable } from 'node:stream';
import { MessageChannel, Worker } from 'node:worker_threads';
import { BerthError, type DiffId, invalid, systemErrorCode } from '../../base/index.ts';
import { sendStream } from './port-stream.ts';
import { fromPlainError, type UnpackReply, type UnpackRequest } from './protocol.ts';
import type { UnpackedLayer, UnpackOutput } from './unpack-layer.ts';

/**
 * The worker's entry: beside this file, or, in a bundle, the entry `store/unpack/layer-worker.js`, as seen from
 * a folder of the bundle (`daemon/`, `chunks/`).
 */
const LAYER_WORKER = import.meta.filename.endsWith('.ts')
  ? new URL('./layer-worker.ts', import.meta.url)
  : new URL('../store/unpack/layer-worker.js', import.meta.url);

/** A worker with nothing to do ends after so long. */
const IDLE_MILLISECONDS = 5000;

/** Bounds what a hostile layer can make a worker hold; the names and attributes of honest ones need far less. */
const MAX_HEAP_MIB = 1536;

export interface UnpackJob {
  /** A file's path, or a stream. */
  readonly input: string | Readable;
  readonly output: UnpackOutput;
  readonly expected: DiffId | undefined;
  readonly signal: AbortSignal;
  readonly onProgress: (bytes: number) => void;
}

/** Threads that unpack layers: one per processor at most, started on demand. */
export class LayerWorkers implements AsyncDisposable {
  readonly #idle = new Map<Worker, NodeJS.Timeout>();
  readonly #waiting: (() => void)[] = [];
  #free = availableParallelism();

  /**
   * Unpacks a layer in a thread of its own, see {@link unpackLayer}. When the signal aborts, the thread is ended at once.
   */
  async run(job: UnpackJob): Promise<UnpackedLayer> {
    await this.#slot();
    try {
      job.signal.throwIfAborted();
      const worker = this.#takeWorker();
      try {
        const layer = await unpackIn(worker, job);
        this.#keep(worker);
        return layer;
      } catch (error) {
        await worker.terminate();
        throw error;
      }
    } finally {
      this.#free += 1;
      this.#waiting.shift()?.();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const workers = [...this.#idle.keys()];
    for (const worker of workers) this.#takeIdle(worker);
    await Promise.all(workers.map((worker) => worker.terminate()));
  }

  async #slot(): Promise<void> {
    while (this.#free === 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.push(resolve);
      await promise;
    }
    this.#free -= 1;
  }

  #takeWorker(): Worker {
    const [worker] = this.#idle.keys();
    if (worker === undefined) {
      return new Worker(LAYER_WORKER, {
        execArgv: [], // what the daemon was started with is not meant for workers
        resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MIB },
      });
    }
    this.#takeIdle(worker);
    return worker;
  }

  #takeIdle(worker: Worker): void {
    clearTimeout(this.#idle.get(worker));
    this.#idle.delete(worker);
    worker.ref();
  }

  #keep(worker: Worker): void {
    worker.unref();
    const timer = setTimeout(() => {
      this.#idle.delete(worker);
      void worker.terminate();
    }, IDLE_MILLISECONDS);
    this.#idle.set(worker, timer.unref());
  }
}

async function unpackIn(worker: Worker, job: UnpackJob): Promise<UnpackedLayer> {
  const { promise, resolve, reject } = Promise.withResolvers<UnpackedLayer>();
  const onMessage = (reply: UnpackReply) => {
    if (reply.type === 'progress') job.onProgress(reply.bytes);
    else if (reply.type === 'done') resolve(reply.layer);
    else reject(fromPlainError(reply.error));
  };
  const onError = (error: Error) => reject(workerFailure(error));
  const onExit = () => reject(new BerthError('internal', 'the thread that unpacks a layer has ended'));
  const onAbort = () => reject(job.signal.reason);
  worker.on('message', onMessage).once('error', onError).once('exit', onExit);
  job.signal.addEventListener('abort', onAbort, { once: true });
  const finished = new AbortController();
  try {
    const sending = send(worker, job, AbortSignal.any([job.signal, finished.signal]));
    // A source that fails is the reason to tell; the worker only sees that its input broke off.
    return await Promise.race([promise, sending.then(() => promise)]);
  } finally {
    finished.abort();
    job.signal.removeEventListener('abort', onAbort);
    worker.off('message', onMessage).off('error', onError).off('exit', onExit);
  }
}

async function send(worker: Worker, job: UnpackJob, signal: AbortSignal): Promise<void> {
  const { input, output, expected } = job;
  if (typeof input === 'string') {
    worker.postMessage({ input: { path: input }, output, expected } satisfies UnpackRequest);
    return;
  }
  const { port1, port2 } = new MessageChannel();
  try {
    worker.postMessage({ input: { port: port2 }, output, expected } satisfies UnpackRequest, [port2]);
    await sendStream(input, port1, { signal, onProgress: job.onProgress });
  } finally {
    // The reader closes the port when it has read everything.
    if (signal.aborted) port1.close();
  }
}

function workerFailure(error: Error): BerthError {
  if (systemErrorCode(error) === 'ERR_WORKER_OUT_OF_MEMORY') {
    return invalid('the layer has more names and attributes than fit into memory', { cause: error });
  }
  return new BerthError('internal', `unpacking a layer failed: ${error.message}`, { cause: error });
}
