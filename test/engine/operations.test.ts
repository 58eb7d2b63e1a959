import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  OPERATIONS,
  type Operation,
  STATES,
  type StateName,
} from '../../src/engine/containers/operations.ts';
import { type Instance, startInstance } from './instance.ts';

/** What a request says that is not in its line. */
function bodyOf(operation: string, container: string): unknown {
  switch (operation) {
    case 'exec':
      return { Cmd: ['true'] };
    case 'update':
      return { CpuShares: 512 };
    case 'cp to':
      return Buffer.alloc(1024);
    case 'network connect':
    case 'network disconnect':
      return { Container: container };
    default:
      return undefined;
  }
}

/** The network of the containers whose networks are changed, and the one that they are to join. */
const OWN_NETWORK = 'own';
const OTHER_NETWORK = 'other';

/** What a container did when it was asked for something. */
interface Outcome {
  readonly cell: string;
  readonly status: 'done' | 'nothing' | number;
  readonly words: string;
  readonly events: readonly string[];
  readonly after: string;
}

interface Event {
  readonly Action: string;
  readonly timeNano: number;
  readonly Actor: { readonly Attributes: Readonly<Record<string, string>> };
}

/** Restarts come 0.1, 0.2, 0.4, … seconds after the ends: the last of so many is waited for long enough to look at it. */
const RESTARTS = 7;
/** Fails until its last restart. */
const RESTARTED = `echo >> /runs; [ $(wc -l < /runs) -gt ${RESTARTS} ] && exec sleep 1000; exit 1`;

describe('every operation in every state of a container', () => {
  let instance: Instance;
  beforeAll(async () => {
    instance = await startInstance();
    await instance.berthOk(['pull', '-q', 'busybox:latest']);
    for (const name of [OWN_NETWORK, OTHER_NETWORK]) await instance.berthOk(['network', 'create', name]);
  });
  afterAll(async () => instance[Symbol.asyncDispose]());

  /** Sends a request; of an answer that has no end only its status is taken. */
  const ask = (line: string, body?: unknown): Promise<{ status: number; text: string }> => {
    const [method = '', path = ''] = line.split(' ');
    const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
    const payload = Buffer.isBuffer(body) ? body : body === undefined ? undefined : JSON.stringify(body);
    const type = Buffer.isBuffer(body) ? 'application/x-tar' : 'application/json';
    const headers =
      payload === undefined ? {} : { 'Content-Type': type, 'Content-Length': Buffer.byteLength(payload) };
    const options = { socketPath: instance.socketPath, method, path, headers, agent: false };
    const sent = request(options, async (answer) => {
      const status = answer.statusCode ?? 0;
      let text = '';
      if (/\/(attach|wait)\b/.test(path) && status < 300) answer.destroy();
      else for await (const chunk of answer) text += String(chunk);
      resolve({ status, text });
    });
    sent.once('error', reject);
    sent.end(payload);
    return promise;
  };
  const inspect = async (id: string) => {
    const { status, text } = await ask(`GET /containers/${id}/json`);
    return status === 404
      ? undefined
      : (JSON.parse(text) as { RestartCount: number; State: { Status: string } });
  };
  const create = async (name: string, state: StateName, network = 'none'): Promise<string> => {
    const restarts = state === 'restarting';
    const { text } = await ask(`POST /containers/create?name=${name}`, {
      Image: 'busybox',
      Cmd: restarts ? ['sh', '-c', RESTARTED] : ['sleep', '1000'],
      Tty: true,
      HostConfig: { NetworkMode: network, RestartPolicy: { Name: restarts ? 'always' : 'no' } },
    });
    return (JSON.parse(text) as { Id: string }).Id;
  };
  const bringInto = async (state: StateName, id: string): Promise<void> => {
    if (state === 'created') return;
    await ask(`POST /containers/${id}/start`);
    if (state === 'paused') await ask(`POST /containers/${id}/pause`);
    if (state === 'exited') await ask(`POST /containers/${id}/kill`);
    if (state === 'restarting') {
      const isWaiting = async () => {
        const found = await inspect(id);
        return found !== undefined && found.RestartCount >= RESTARTS && found.State.Status === 'restarting';
      };
      await expect.poll(isWaiting, { timeout: 50_000, interval: 100 }).toBe(true);
    }
  };
  /** The events of a container from a moment on (seconds). */
  const eventsSince = async (id: string, since: string): Promise<Event[]> => {
    const filters = encodeURIComponent(JSON.stringify({ container: [id], type: ['container'] }));
    const until = ((Date.now() + 1) / 1000).toFixed(3);
    const { text } = await ask(`GET /events?since=${since}&until=${until}&filters=${filters}`);
    return text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Event);
  };
  const inWords = ({ Action: action, Actor: { Attributes: attributes } }: Event) =>
    action === 'kill' ? `kill ${attributes.signal}` : action;
  const tryCell = async (name: string, operation: Operation, state: StateName): Promise<Outcome> => {
    const container = `${state}-${name.replace(/\W+/g, '-')}`;
    const id = await create(container, state, name.startsWith('network') ? OWN_NETWORK : 'none');
    await bringInto(state, id);
    // A millisecond later than the last event of its way into the state, which numbers cannot tell finer.
    const last = (await eventsSince(id, '1')).at(-1)?.timeNano ?? 0;
    await expect.poll(() => Date.now() * 1e6 > last + 1e6, { interval: 1 }).toBe(true);
    const since = (Date.now() / 1000).toFixed(3);
    const line = operation.request
      .replaceAll('{id}', id)
      .replaceAll('{name}', container)
      .replace('{network}', OTHER_NETWORK)
      .replace('{own network}', OWN_NETWORK);
    const { status, text } = await ask(line, bodyOf(name, id));
    const found = await inspect(id);
    const events = (await eventsSince(id, since)).map(inWords);
    await ask(`DELETE /containers/${id}?force=1`);
    return {
      cell: `${name} ${state}`,
      status: status < 300 ? 'done' : status === 304 ? 'nothing' : status,
      words: status < 400 ? '' : (JSON.parse(text) as { message: string }).message,
      events,
      after: found?.State.Status ?? 'gone',
    };
  };
  const expected = (name: string, { effects }: Operation, state: StateName, id: RegExp): object => {
    const effect = effects[state];
    const cell = `${name} ${state}`;
    switch (effect.kind) {
      case 'done':
        return { cell, status: 'done', words: '', events: effect.events, after: effect.after };
      case 'nothing':
        return { cell, status: 'nothing', words: '', events: [], after: state };
      case 'refused': {
        const container = `${state}-${name.replace(/\W+/g, '-')}`;
        const words = effect.words
          .replaceAll('{name}', container)
          .split(/\{(?:id|reference)\}/)
          .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
          .join(id.source);
        return {
          cell,
          status: 409,
          words: expect.stringMatching(new RegExp(`^${words}$`)),
          events: [],
          after: state,
        };
      }
    }
  };

  it.each(STATES)('does what the table says: %s', async (state) => {
    const operations = Object.entries<Operation>(OPERATIONS);
    const outcomes = await Promise.all(
      operations.map(([name, operation]) => tryCell(name, operation, state)),
    );
    expect(outcomes).toEqual(
      operations.map(([name, operation]) => expected(name, operation, state, /[0-9a-f]{64}/)),
    );
  });

  it('refuses in the words of the table, by whatever name the container was called', async () => {
    const id = await create('called', 'created');
    const { text } = await ask('POST /containers/called/kill');
    expect(JSON.parse(text)).toEqual({
      message: `cannot kill container: called: container ${id} is not running`,
    });
  });
});
