import { createHash } from 'node:crypto';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { type Timestamp, timestampNow } from '@bufbuild/protobuf/wkt';
import type { BuildStep, StepNews } from '../contract.ts';
import { buildErrorText } from './grpc-errors.ts';
import type { StatusResponseSchema, VertexStatusSchema } from './protocol/control_pb.ts';
import { pulledItem } from './pulled-item.ts';

export type Status = MessageInitShape<typeof StatusResponseSchema>;

/** Bytes of output that a step may have here, as in BuildKit: who reads slowly, or late, costs no more memory. */
const OUTPUT_LIMIT = 2 * 1024 * 1024;

const STANDARD_OUTPUT = 1n;

/** A step as clients see it (BuildKit's vertex). */
interface Vertex {
  readonly digest: string;
  readonly name: string;
  readonly started?: Timestamp;
  readonly completed?: Timestamp;
  readonly cached?: boolean;
  /** Why it failed. */
  readonly error?: string;
}

/** What of a step was told. */
interface Told {
  vertex: Vertex;
  outputLength: number;
  /** When something within it began, by its name. */
  readonly items: Map<string, Timestamp>;
}

/** What has happened in a build, for whoever asks, from the beginning. */
export class StatusLog {
  readonly #ref: string;
  readonly #told: Status[] = [];
  readonly #steps = new Map<string, Told>();
  #isEnded = false;
  #change = Promise.withResolvers<void>();

  constructor(ref: string) {
    this.#ref = ref;
  }

  note(step: BuildStep, news: StepNews): void {
    const told = this.#find(step);
    switch (news.kind) {
      case 'started':
        this.#update(told, { started: timestampNow() });
        break;
      case 'cached':
        this.#update(told, { cached: true });
        break;
      case 'done':
        this.#end(told, {});
        break;
      case 'cancelled':
        this.#end(told, { error: 'context canceled' }); // clients show these words as CANCELED
        break;
      case 'failed':
        this.#end(told, { error: buildErrorText(news.error) });
        break;
      case 'output':
        this.#output(told, news.text);
        break;
      case 'progress':
        this.#progress(told, news);
        break;
      case 'pull': {
        const item = pulledItem(news.progress);
        if (item !== undefined) this.#progress(told, item);
      }
    }
  }

  /** Nothing follows. */
  end(): void {
    this.#isEnded = true;
    this.#wake();
  }

  /** All that was and will be told, until the end or the signal. */
  async *read(signal: AbortSignal): AsyncGenerator<Status> {
    const stop = () => this.#wake();
    signal.addEventListener('abort', stop);
    try {
      for (let at = 0; !signal.aborted; ) {
        const next = this.#told[at];
        if (next !== undefined) {
          at += 1;
          yield next;
        } else if (this.#isEnded) return;
        else await this.#change.promise;
      }
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  #find(step: BuildStep): Told {
    const known = this.#steps.get(step.id);
    if (known !== undefined) return known;
    const digest = `sha256:${createHash('sha256').update(`${this.#ref}/${step.id}`).digest('hex')}`;
    const told: Told = { vertex: { digest, name: step.name }, outputLength: 0, items: new Map() };
    this.#steps.set(step.id, told);
    return told;
  }

  #update(told: Told, change: Partial<Vertex>): void {
    told.vertex = { ...told.vertex, ...change };
    this.#tell({ vertexes: [told.vertex] });
  }

  #end(told: Told, change: Partial<Vertex>): void {
    this.#update(told, { ...change, completed: timestampNow() });
  }

  #output(told: Told, text: string): void {
    const isOver = told.outputLength > OUTPUT_LIMIT;
    told.outputLength += Buffer.byteLength(text);
    if (isOver) return;
    const shown =
      told.outputLength > OUTPUT_LIMIT ? `${text}\n[output clipped, log limit 2MiB reached]\n` : text;
    const msg = Buffer.from(shown);
    const vertex = told.vertex.digest;
    this.#tell({ logs: [{ vertex, timestamp: timestampNow(), stream: STANDARD_OUTPUT, msg }] });
  }

  #progress(told: Told, { item, current, total, isDone }: Extract<StepNews, { kind: 'progress' }>): void {
    const timestamp = timestampNow();
    const started = told.items.get(item) ?? timestamp;
    told.items.set(item, started);
    const status: MessageInitShape<typeof VertexStatusSchema> = {
      id: item,
      vertex: told.vertex.digest,
      current: BigInt(current),
      total: BigInt(total),
      timestamp,
      started,
      ...(isDone ? { completed: timestamp } : {}),
    };
    this.#tell({ statuses: [status] });
  }

  #tell(status: Status): void {
    this.#told.push(status);
    this.#wake();
  }

  #wake(): void {
    this.#change.resolve();
    this.#change = Promise.withResolvers<void>();
  }
}
