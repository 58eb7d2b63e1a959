import type { Duplex } from 'node:stream';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { DEFAULT_DETACH_KEYS, errorMessage, invalid, parseDetachKeys } from '../../base/index.ts';
import type { Engine, ExecConfig } from '../../engine/index.ts';
import { parseConsoleSize } from '../console-size.ts';
import { Fields, Query } from '../fields.ts';
import { hijack, MULTIPLEXED_STREAM, RAW_STREAM, takeConnection } from '../hijack.ts';
import { clientSignal, multiplexed, pump } from '../streams.ts';
import { WebSocketStream, webSocketAnswer } from '../web-socket.ts';
import { EVERYTHING, writeEntries } from './container-logs.ts';

/** Attach and exec: byte streams in both directions. */
export function containerStreamRoutes(app: FastifyInstance, engine: Engine): void {
  const { containers } = engine;

  app.post<Reference>('/containers/:name/attach', (request, reply) =>
    answerAttach(containers, request, (terminal) => ({
      connection: hijack(request, reply, terminal ? RAW_STREAM : MULTIPLEXED_STREAM),
      raw: terminal,
    })),
  );

  app.get<Reference>('/containers/:name/attach/ws', (request, reply) => {
    containers.find(request.params.name);
    const answer = webSocketAnswer(request);
    return answerAttach(containers, request, () => {
      const connection = takeConnection(request, reply);
      connection.write(answer);
      return { connection: new WebSocketStream(connection), raw: true };
    });
  });

  app.post<Reference>('/containers/:name/exec', async (request, reply) => {
    const id = await containers.execs.create(request.params.name, parseExec(new Fields(request.body)));
    reply.code(201).send({ Id: id });
  });

  app.post<ExecReference>('/exec/:id/start', async (request, reply) => {
    const { execs } = containers;
    const { config } = execs.get(request.params.id);
    const body = new Fields(request.body);
    const start = await execs.prepare(request.params.id, parseConsoleSize(body));
    if (body.flag('Detach')) {
      void drain((await start()).output());
      reply.code(200);
      return;
    }
    // Before there is a process, as in Docker: clients that read ahead (docker-py) lose what comes along with the head.
    const socket = hijack(request, reply, config.tty ? RAW_STREAM : MULTIPLEXED_STREAM);
    const session = await start().catch((error: unknown) => {
      const text = Buffer.from(`${errorMessage(error)}\r\n`);
      socket.end(config.tty ? text : multiplexed('stderr', text));
    });
    if (session === undefined) return; // its exit code stands in the inspection
    const leave = { keys: config.detachKeys, onDetached: () => execs.noteDetached(request.params.id) };
    await pump(socket, session, {
      raw: config.tty,
      ...(config.tty ? { detach: leave } : {}),
      goesOn: true,
      settled: session.exited,
    });
  });

  app.post<ExecReference>('/exec/:id/resize', async (request, reply) => {
    const query = new Query(request.query);
    await containers.execs.resize(request.params.id, query.number('h') ?? 0, query.number('w') ?? 0);
    reply.code(200);
  });

  app.get<ExecReference>('/exec/:id/json', (request) => {
    const { id, containerId, config, state } = containers.execs.get(request.params.id);
    const [entrypoint = '', ...args] = config.args;
    return {
      ID: id,
      Running: state.status === 'running',
      ExitCode: state.status === 'exited' ? state.exitCode : null,
      ProcessConfig: {
        tty: config.tty,
        entrypoint,
        arguments: args,
        privileged: config.privileged,
        ...(config.user === '' ? {} : { user: config.user }),
      },
      OpenStdin: config.attachStdin,
      OpenStderr: config.attachStderr,
      OpenStdout: config.attachStdout,
      CanRemove: false,
      ContainerID: containerId,
      DetachKeys: config.hasDetachKeys ? Buffer.from(config.detachKeys).toString('base64') : '',
      Pid: state.status === 'running' ? state.session.pid : state.status === 'exited' ? state.pid : 0,
    };
  });
}

/**
 * Joins a client with the streams of a container or the console of a machine. `open` takes the connection over, once it is known
 * whether there is a terminal at the other end.
 */
export async function answerAttach(
  things: Pick<Engine['containers'] | Engine['machines'], 'attach' | 'logs' | 'noteDetached'>,
  request: FastifyRequest<Reference>,
  open: (terminal: boolean) => { readonly connection: Duplex; readonly raw: boolean },
): Promise<void> {
  const { name } = request.params;
  const query = new Query(request.query);
  const keys = detachKeys(query.text('detachKeys'), 'detach');
  const streams = {
    stdin: query.flag('stdin'),
    stdout: query.flag('stdout'),
    stderr: query.flag('stderr'),
  };
  const attachment = things.attach(name, streams, clientSignal(request));
  attachment.session.catch(() => {}); // reported below; the answer goes out before it is awaited
  const { terminal } = attachment;
  const history = query.flag('logs')
    ? things.logs(name, EVERYTHING, new AbortController().signal)
    : undefined;
  const { connection, raw } = open(terminal);
  if (history !== undefined) await writeEntries(connection, history, { terminal: raw });
  if (!query.flag('stream')) {
    connection.end();
    return;
  }
  try {
    const detach = { keys, onDetached: () => things.noteDetached(name) };
    await pump(connection, await attachment.session, { raw, ...(terminal ? { detach } : {}) });
  } catch {
    connection.end(); // the start failed: the client hears why from the start's own answer
  }
}

interface Reference {
  Params: { name: string };
}

interface ExecReference {
  Params: { id: string };
}

/** The keys' bytes; "" for Docker's own. */
function detachKeys(text: string, kind: 'detach' | 'escape'): readonly number[] {
  try {
    return parseDetachKeys(text === '' ? DEFAULT_DETACH_KEYS : text);
  } catch (cause) {
    throw invalid(`Invalid ${kind} keys (${text}) provided`, { cause });
  }
}

function parseExec(body: Fields): ExecConfig {
  return {
    detachKeys: detachKeys(body.text('DetachKeys'), 'escape'),
    hasDetachKeys: body.text('DetachKeys') !== '',
    args: body.texts('Cmd'),
    env: body.texts('Env'),
    user: body.text('User'),
    workingDir: body.text('WorkingDir'),
    tty: body.flag('Tty'),
    attachStdin: body.flag('AttachStdin'),
    attachStdout: body.flag('AttachStdout'),
    attachStderr: body.flag('AttachStderr'),
    privileged: body.flag('Privileged'),
    consoleSize: parseConsoleSize(body),
  };
}

async function drain(output: AsyncIterable<unknown>): Promise<void> {
  try {
    for await (const _chunk of output);
  } catch (error) {
    process.emitWarning(`a detached exec session broke off: ${errorMessage(error)}`);
  }
}
