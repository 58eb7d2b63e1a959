import { once } from 'node:events';
import { constants } from 'node:fs';
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import {
  asBerthError,
  type BerthError,
  decodeFields,
  encodeFrame,
  errorMessage,
  FieldWriter,
  type Frame,
  FrameDecoder,
  internal,
  PROTOCOL_VERSION,
  unavailable,
} from '../base/index.ts';
import type { FileStat, FileWorker } from './contract.ts';
import { FileField, FileMessage, MAX_DATA, workerFailure } from './file-protocol.ts';

/** The request that the worker is working on. */
interface Exchange {
  readonly id: number;
  /** A piece of an archive. */
  readonly data: (chunk: Buffer) => void;
  readonly reply: PromiseWithResolvers<ReplyFields>;
}

type ReplyFields = ReadonlyMap<number, Buffer>;

/**
 * A file worker behind a connected socket. It does one thing at a time: while an archive that it packs is being read,
 * other requests wait. So never feed a worker's own pack stream into its unpack.
 */
export class FileWorkerConnection implements FileWorker {
  readonly #socket: Socket;
  readonly #decoder = new FrameDecoder();
  #nextId = 1;
  #current: Exchange | undefined;
  /** Resolves when the last request in the queue is finished. */
  #queue: Promise<unknown> = Promise.resolve();
  #ended: BerthError | undefined;
  #release: (() => Promise<void>) | undefined;

  constructor(socket: Socket, release?: () => Promise<void>) {
    this.#socket = socket;
    this.#release = release;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('error', (error) => this.#end(`the connection to the file worker broke: ${error.message}`));
    socket.on('close', () => this.#end('the file worker has ended'));
  }

  async stat(path: string, { follow = false }: { follow?: boolean } = {}): Promise<FileStat | undefined> {
    const request = new FieldWriter().text(FileField.path, path).number(FileField.follow, follow ? 1 : 0);
    const fields = await this.#ask(FileMessage.stat, request);
    return fields.size === 0 ? undefined : parseStat(fields);
  }

  async makeDirectory(path: string, owner = { uid: 0, gid: 0 }): Promise<void> {
    const request = new FieldWriter().text(FileField.path, path);
    await this.#ask(FileMessage.makeDirectory, addOwner(request, owner));
  }

  async readFile(path: string, limit = 1024 * 1024): Promise<Buffer> {
    const request = new FieldWriter().text(FileField.path, path).number(FileField.limit, limit);
    const fields = await this.#ask(FileMessage.readFile, request);
    return fields.get(FileField.content) ?? Buffer.alloc(0);
  }

  async readHead(path: string, bytes: number): Promise<Buffer> {
    const request = new FieldWriter().text(FileField.path, path).number(FileField.limit, bytes);
    return (await this.#ask(FileMessage.readHead, request)).get(FileField.content) ?? Buffer.alloc(0);
  }

  async list(path: string): Promise<readonly string[]> {
    const fields = await this.#ask(FileMessage.list, new FieldWriter().text(FileField.path, path));
    return textOf(fields, FileField.content).split('\0').slice(0, -1);
  }

  async removeEmpty(path: string): Promise<void> {
    await this.#ask(FileMessage.removeEmpty, new FieldWriter().text(FileField.path, path));
  }

  async pack(path: string, options: { as?: string; signal?: AbortSignal } = {}): Promise<Readable> {
    const { as, signal } = options;
    const request = new FieldWriter().text(FileField.path, path);
    if (as !== undefined) request.text(FileField.as, as);
    return this.#archive(FileMessage.pack, request, signal);
  }

  async packChanges(path: string, { signal }: { signal?: AbortSignal } = {}): Promise<Readable> {
    return this.#archive(FileMessage.packChanges, new FieldWriter().text(FileField.path, path), signal);
  }

  async unpack(
    path: string,
    tar: NodeJS.ReadableStream,
    options: { owner?: { uid: number; gid: number }; signal?: AbortSignal } = {},
  ): Promise<void> {
    const { owner, signal } = options;
    const request = new FieldWriter().text(FileField.path, path);
    if (owner !== undefined) addOwner(request, owner);
    await this.#inTurn(async () => {
      signal?.throwIfAborted();
      const exchange = this.#begin(FileMessage.unpack, request.finish());
      await this.#feed(exchange, tar, signal);
      await exchange.reply.promise;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const release = this.#release;
    this.#release = undefined;
    if (!this.#socket.destroyed) {
      const closed = once(this.#socket, 'close');
      this.#socket.destroy();
      await closed;
    }
    await release?.();
  }

  /** Sends a request and waits for its fields. */
  #ask(type: number, request: FieldWriter): Promise<ReplyFields> {
    return this.#inTurn(() => this.#begin(type, request.finish()).reply.promise);
  }

  /** Runs `work` when all requests before it are finished. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#queue.then(work);
    this.#queue = mine.catch(() => {});
    return mine;
  }

  #begin(type: number, payload: Buffer, data: Exchange['data'] = () => {}): Exchange {
    if (this.#ended !== undefined) throw this.#ended;
    const exchange: Exchange = { id: this.#nextId, data, reply: Promise.withResolvers() };
    this.#nextId = (this.#nextId + 1) & 0xffff;
    exchange.reply.promise.catch(() => {}); // whoever needs the reply awaits it
    this.#current = exchange;
    this.#socket.write(encodeFrame(type, exchange.id, payload));
    return exchange;
  }

  /** Asks for an archive, which begins when all requests before it are finished. */
  #archive(type: number, request: FieldWriter, signal: AbortSignal | undefined): Promise<Readable> {
    const { promise, resolve, reject } = Promise.withResolvers<Readable>();
    this.#inTurn(async () => {
      signal?.throwIfAborted();
      await this.#startPack(type, request.finish(), signal, resolve);
    }).catch(reject);
    return promise;
  }

  /** Resolves when the worker has finished the archive; `started` is called with the stream when its first bytes are here. */
  async #startPack(
    type: number,
    payload: Buffer,
    signal: AbortSignal | undefined,
    started: (archive: Readable) => void,
  ): Promise<void> {
    const archive = new Readable({
      read: () => this.#socket.resume(),
      destroy: (error, callback) => {
        this.#cancel(exchange);
        callback(error);
      },
    });
    const exchange = this.#begin(type, payload, (chunk) => {
      started(archive);
      if (!archive.destroyed && !archive.push(chunk)) this.#socket.pause();
    });
    const onAbort = () => archive.destroy(asBerthError(signal?.reason));
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      await exchange.reply.promise;
      archive.push(null);
    } catch (error) {
      archive.on('error', () => {}); // nobody may be listening yet; the promise below tells them
      archive.destroy(asBerthError(error));
      throw error;
    } finally {
      signal?.removeEventListener('abort', onAbort);
      this.#socket.resume(); // a reader that is still behind has its data already
    }
  }

  /** Sends an archive until it ends, fails, or the worker wants no more of it. */
  async #feed(
    exchange: Exchange,
    tar: NodeJS.ReadableStream,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const aborted = Promise.withResolvers<never>();
    aborted.promise.catch(() => {});
    const onAbort = () => aborted.reject(signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    const refused = exchange.reply.promise.then(() => 'refused' as const);
    refused.catch(() => {});
    const chunks = tar[Symbol.asyncIterator]();
    let last: number = FileMessage.cancel;
    try {
      for (;;) {
        const next = await Promise.race([chunks.next(), refused, aborted.promise]);
        if (next === 'refused' || next.done === true) break;
        await Promise.race([this.#send(exchange, Buffer.from(next.value)), refused, aborted.promise]);
      }
      last = FileMessage.end;
    } catch (error) {
      if (this.#current !== exchange) last = FileMessage.end; // the worker has failed and still waits for the end
      throw asBerthError(error);
    } finally {
      signal?.removeEventListener('abort', onAbort);
      if (this.#ended === undefined) this.#socket.write(encodeFrame(last, exchange.id));
      if (last === FileMessage.cancel) await exchange.reply.promise.catch(() => {});
      if ('destroy' in tar && typeof tar.destroy === 'function') tar.destroy();
    }
  }

  async #send(exchange: Exchange, chunk: Buffer): Promise<void> {
    for (let at = 0; at < chunk.length; at += MAX_DATA) {
      const piece = chunk.subarray(at, at + MAX_DATA);
      if (!this.#socket.write(encodeFrame(FileMessage.data, exchange.id, piece))) {
        await once(this.#socket, 'drain');
      }
    }
  }

  /** Stops an archive whose reader has gone; the worker's answer ends the exchange. */
  #cancel(exchange: Exchange): void {
    if (this.#current !== exchange || this.#ended !== undefined) return;
    this.#socket.write(encodeFrame(FileMessage.cancel, exchange.id));
    this.#socket.resume();
  }

  #receive(chunk: Buffer): void {
    try {
      for (const frame of this.#decoder.push(chunk)) this.#handle(frame);
    } catch (error) {
      this.#end(`the file worker broke its protocol: ${errorMessage(error)}`);
      this.#socket.destroy();
    }
  }

  #handle(frame: Frame): void {
    const exchange = this.#current;
    if (frame.version !== PROTOCOL_VERSION || exchange === undefined || frame.id !== exchange.id) {
      throw new RangeError(`unexpected frame of type ${frame.type} and version ${frame.version}`);
    }
    if (frame.type === FileMessage.data) {
      exchange.data(frame.payload);
      return;
    }
    const fields = new Map(decodeFields(frame.payload).map(({ tag, value }) => [tag, Buffer.from(value)]));
    this.#current = undefined;
    if (frame.type === FileMessage.done) exchange.reply.resolve(fields);
    else
      exchange.reply.reject(workerFailure(textOf(fields, FileField.kind), textOf(fields, FileField.message)));
  }

  #end(reason: string): void {
    this.#ended ??= unavailable(reason);
    this.#current?.reply.reject(this.#ended);
    this.#current = undefined;
  }
}

function addOwner(request: FieldWriter, owner: { uid: number; gid: number }): FieldWriter {
  return request.number(FileField.uid, owner.uid).number(FileField.gid, owner.gid);
}

const FILE_TYPES: ReadonlyMap<number, FileStat['type']> = new Map([
  [constants.S_IFREG, 'file'],
  [constants.S_IFDIR, 'directory'],
  [constants.S_IFLNK, 'symlink'],
  [constants.S_IFBLK, 'block'],
  [constants.S_IFCHR, 'character'],
  [constants.S_IFIFO, 'fifo'],
  [constants.S_IFSOCK, 'socket'],
]);

function parseStat(fields: ReplyFields): FileStat {
  const mode = numberOf(fields, FileField.mode);
  const type = FILE_TYPES.get(mode & constants.S_IFMT);
  if (type === undefined)
    throw internal(`the file worker reported the unknown file mode ${mode.toString(8)}`);
  const seconds = fields.get(FileField.seconds)?.readBigInt64LE() ?? 0n;
  return {
    type,
    size: numberOf(fields, FileField.size),
    mode: mode & 0o7777,
    uid: numberOf(fields, FileField.uid),
    gid: numberOf(fields, FileField.gid),
    mtime: new Date(Number(seconds) * 1000 + Math.floor(numberOf(fields, FileField.nanoseconds) / 1e6)),
    linkTarget: fields.get(FileField.link)?.toString(),
  };
}

function numberOf(fields: ReplyFields, tag: number): number {
  return Number(fields.get(tag)?.readBigUInt64LE() ?? 0n);
}

function textOf(fields: ReplyFields, tag: number): string {
  return fields.get(tag)?.toString() ?? '';
}
