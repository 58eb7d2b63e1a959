import type { Socket } from 'node:net';
import { errorMessage, FrameDecoder, unavailable } from '../../base/index.ts';
import { vmControl } from '../vm-plan.ts';
import { isObject, parseObject } from './qmp-answer.ts';

/** An event of QEMU's (QMP reference): JOB_STATUS_CHANGE, MIGRATION, DEVICE_DELETED and so on. */
export interface ComputerEvent {
  readonly name: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** The events of one computer since this was opened. None is lost: they wait until somebody takes them. */
export class ComputerEvents implements AsyncIterable<ComputerEvent>, AsyncDisposable {
  readonly #socket: Socket;
  readonly #events: AsyncGenerator<ComputerEvent, never>;

  /** Takes a connection over whose frames are events. */
  constructor(socket: Socket) {
    this.#socket = socket;
    this.#events = eventsOf(socket);
  }

  /** The next event. Throws `unavailable` when the computer has ended, or the reader was too slow for thousands of them. */
  async next(): Promise<ComputerEvent> {
    return (await this.#events.next()).value;
  }

  /** The next one for which `matches` holds; those before it are gone. */
  async find(matches: (event: ComputerEvent) => boolean): Promise<ComputerEvent> {
    for (;;) {
      const event = await this.next();
      if (matches(event)) return event;
    }
  }

  /** Whoever stops iterating can go on later. */
  [Symbol.asyncIterator](): AsyncIterator<ComputerEvent> {
    return { next: async () => ({ value: await this.next() }) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy();
  }
}

async function* eventsOf(socket: Socket): AsyncGenerator<ComputerEvent, never> {
  const decoder = new FrameDecoder();
  try {
    for await (const chunk of socket) {
      for (const { type, payload } of decoder.push(chunk)) {
        if (type === vmControl.event) yield parseEvent(payload.toString());
      }
    }
  } catch (cause) {
    throw unavailable(`the events of the virtual machine have ended: ${errorMessage(cause)}`, { cause });
  }
  throw unavailable('the virtual machine has ended');
}

function parseEvent(line: string): ComputerEvent {
  const { event, data } = parseObject(line);
  return { name: String(event), data: isObject(data) ? data : {} };
}
