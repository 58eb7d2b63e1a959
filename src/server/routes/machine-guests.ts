import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { Engine } from '../../engine/index.ts';
import { Fields, Query } from '../fields.ts';
import { pathStatHeader } from '../formats/path-stat.ts';
import { clientSignal } from '../streams.ts';

/** Commands and files in machines, by QEMU's guest agent: an extension below /berth/machines. */
export function machineGuestRoutes(app: FastifyInstance, { machines }: Engine): void {
  // The answer comes at the command's end: the agent has no streams.
  app.post<Machine>('/berth/machines/:name/exec', async (request) => {
    const body = new Fields(request.body);
    const command = {
      args: body.texts('Cmd'),
      env: body.texts('Env'),
      directory: body.has('Dir') ? body.text('Dir') : undefined,
      input: body.has('Input') ? Buffer.from(body.text('Input'), 'base64') : undefined,
    };
    const exit = await machines.exec(request.params.name, command, clientSignal(request));
    return {
      ExitCode: exit.exitCode,
      Output: exit.output.toString('base64'),
      ErrorOutput: exit.errorOutput.toString('base64'),
      Truncated: exit.truncated,
    };
  });

  app.head<Machine>('/berth/machines/:name/archive', async (request, reply) => {
    const path = new Query(request.query).text('path');
    const facts = await machines.files(request.params.name, clientSignal(request)).stat(path);
    reply.header('X-Docker-Container-Path-Stat', pathStatHeader(facts));
  });

  app.get<Machine>('/berth/machines/:name/archive', { exposeHeadRoute: false }, async (request, reply) => {
    const path = new Query(request.query).text('path');
    const { facts, archive } = await machines.files(request.params.name, clientSignal(request)).read(path);
    reply.header('X-Docker-Container-Path-Stat', pathStatHeader(facts)).type('application/x-tar');
    return archive;
  });

  app.put<Machine>('/berth/machines/:name/archive', async (request, reply) => {
    const path = new Query(request.query).text('path');
    const tar = request.body instanceof Readable ? request.body : Readable.from([]);
    await machines.files(request.params.name, clientSignal(request)).write(path, tar);
    reply.code(200);
  });
}

interface Machine {
  Params: { name: string };
}
