import { Duplex } from 'node:stream';

/** A connection inside of a call: what comes in its messages is read, what is written goes out in messages. */
export class Tunnel {
  readonly connection: Duplex;
  /** What the other side is sent; ends with the connection. */
  readonly outgoing: AsyncIterable<{ data: Uint8Array }>;

  constructor(incoming: AsyncIterable<{ readonly data: Uint8Array }>, signal: AbortSignal) {
    const iterator = incoming[Symbol.asyncIterator]();
    let next = Promise.withResolvers<{ data: Uint8Array; taken: () => void } | undefined>();
    const connection = new Duplex({
      read() {
        iterator.next().then(
          ({ done, value }) => this.push(done === true ? null : Buffer.from(value.data)),
          (error: unknown) => this.destroy(error instanceof Error ? error : new Error(String(error))),
        );
      },
      write(data: Buffer, _encoding, taken) {
        next.resolve({ data, taken });
      },
      final(ended) {
        next.resolve(undefined);
        ended();
      },
      destroy(error, closed) {
        next.resolve(undefined);
        closed(error);
      },
    });
    connection.on('error', () => {}); // whoever reads or writes meets it
    signal.addEventListener('abort', () => connection.destroy(), { once: true });
    this.connection = connection;
    this.outgoing = (async function* () {
      for (;;) {
        const message = await next.promise;
        if (message === undefined) return;
        next = Promise.withResolvers();
        yield { data: message.data };
        message.taken();
      }
    })();
  }
}
