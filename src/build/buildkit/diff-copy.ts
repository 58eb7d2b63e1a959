import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { invalid, unavailable } from '../../base/index.ts';
import type { ClientFolder, FilePiece, FolderRequest } from '../contract.ts';
import { FolderEntries } from './folder-entries.ts';
import { fromGrpc } from './grpc-errors.ts';
import { FileSync } from './protocol/filesync_pb.ts';
import { type Packet, PacketSchema, Packet_PacketType as Type } from './protocol/fsutil_pb.ts';
import type { Session } from './session.ts';

/**
 * A folder over a session's FileSync.DiffCopy (the protocol of fsutil: protocol/fsutil.proto). The call stays open while contents may
 * be asked for; disposing ends it.
 */
export class SessionFolder implements ClientFolder {
  readonly #entries = new FolderEntries();
  readonly #name: string;
  readonly #requests = new Outbox();
  readonly #packets: AsyncIterator<Packet>;
  readonly #stop: AbortController;

  private constructor(name: string, session: Session, headers: Headers, signal: AbortSignal) {
    this.#name = name;
    this.#stop = new AbortController();
    const either = AbortSignal.any([signal, session.signal, this.#stop.signal]);
    const answers = session.client(FileSync).diffCopy(this.#requests.messages(), { headers, signal: either });
    this.#packets = answers[Symbol.asyncIterator]();
  }

  /** Opens a folder and learns what is in it. Throws as {@link ClientFolders.open} says. */
  static async open(session: Session, request: FolderRequest, signal: AbortSignal): Promise<SessionFolder> {
    await using opening = new AsyncDisposableStack();
    const folder = opening.use(new SessionFolder(request.name, session, requestHeaders(request), signal));
    for (;;) {
      const packet = await folder.#next();
      if (packet.type !== Type.PACKET_STAT) throw folder.#outOfOrder(packet);
      if (packet.stat === undefined) break;
      folder.#entries.add(packet.stat);
    }
    opening.move();
    return folder;
  }

  get entries() {
    return this.#entries.entries;
  }

  get hardLinks() {
    return this.#entries.hardLinks;
  }

  async *contents(paths: readonly string[]): AsyncGenerator<FilePiece> {
    const waited = new Map<number, string>();
    for (const path of paths) {
      const number = this.#entries.numbers.get(path);
      if (number === undefined) throw invalid(`the client's folder ${this.#name} has no file ${path}`);
      waited.set(number, path);
      this.#requests.add({ type: Type.PACKET_REQ, id: number });
    }
    while (waited.size > 0) {
      const packet = await this.#next();
      if (packet.type !== Type.PACKET_DATA) throw this.#outOfOrder(packet);
      const path = waited.get(packet.id);
      if (path === undefined)
        throw invalid(
          `the client sent a file that it was not asked for: number ${packet.id} of ${this.#name}`,
        );
      if (packet.data.length === 0) waited.delete(packet.id);
      yield { path, data: packet.data };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#requests.add({ type: Type.PACKET_FIN });
    this.#requests.end();
    try {
      // The client ends the call when it has seen this. Whatever else it says, nobody needs it any more.
      const last = await this.#packets.next();
      if (last.done !== true && last.value.type === Type.PACKET_FIN) await this.#packets.next();
    } catch {
      // it is gone, or was stopped
    } finally {
      this.#stop.abort();
    }
  }

  async #next(): Promise<Packet> {
    const { done, value } = await this.#packets.next().catch((error: unknown) => {
      throw fromGrpc(error, `the client does not send its folder ${this.#name}`);
    });
    if (done === true) throw unavailable(`the client stopped sending its folder ${this.#name}`);
    if (value.type !== Type.PACKET_ERR) return value;
    throw invalid(`the client cannot send its folder ${this.#name}: ${Buffer.from(value.data).toString()}`);
  }

  #outOfOrder({ type }: Packet): Error {
    return invalid(`the client sent a packet out of order with its folder ${this.#name}: type ${type}`);
  }
}

/** Names and patterns may have any character, so they go escaped, and the client is told. */
function requestHeaders({ name, only, exclude }: FolderRequest): Headers {
  const headers = new Headers({ 'dir-name': name });
  for (const [header, values] of [
    ['followpaths', only],
    ['exclude-patterns', exclude],
  ] as const) {
    if (values === undefined || values.length === 0) continue;
    headers.set(`${header}-encoded`, '1');
    for (const value of values) headers.append(header, encodeURIComponent(value));
  }
  return headers;
}

/** Messages that are sent when somebody adds them. */
class Outbox {
  readonly #waiting: MessageInitShape<typeof PacketSchema>[] = [];
  #isEnded = false;
  #change = Promise.withResolvers<void>();

  add(packet: MessageInitShape<typeof PacketSchema>): void {
    this.#waiting.push(packet);
    this.#wake();
  }

  end(): void {
    this.#isEnded = true;
    this.#wake();
  }

  async *messages(): AsyncGenerator<Packet> {
    for (;;) {
      const next = this.#waiting.shift();
      if (next !== undefined) yield create(PacketSchema, next);
      else if (this.#isEnded) return;
      else await this.#change.promise;
    }
  }

  #wake(): void {
    this.#change.resolve();
    this.#change = Promise.withResolvers<void>();
  }
}
