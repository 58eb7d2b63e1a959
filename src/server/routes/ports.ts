import type { FastifyInstance } from 'fastify';
import type { Engine, PublishedPortReport } from '../../engine/index.ts';
import type { Passage } from '../../network/index.ts';
import { Query } from '../fields.ts';
import { clientSignal } from '../streams.ts';

/** GET /berth/ports, an extension: who gets to each published port, and what of the host's rules stops it. */
export function portRoutes(app: FastifyInstance, { containers }: Engine): void {
  app.get('/berth/ports', async (request) => {
    const references = new Query(request.query).all('container');
    const wanted = new Set(references.map((reference) => containers.find(reference).id));
    const records = containers.list().filter(({ id }) => wanted.size === 0 || wanted.has(id));
    return (await containers.publishedPorts(records, clientSignal(request))).map(portReport);
  });
}

function portReport({ container, port, reach, isListening }: PublishedPortReport) {
  return {
    Container: { Id: container.id, Name: container.name },
    Protocol: port.protocol,
    ContainerPort: port.containerPort,
    HostIp: port.hostIp,
    HostPort: port.hostPort,
    Listening: isListening ?? null,
    Host: passageReport(reach.host),
    Neighbours: reach.neighbours === undefined ? null : passageReport(reach.neighbours),
  };
}

function passageReport(passage: Passage) {
  if (passage.kind === 'passed') return { Reached: 'yes' };
  const { table, chain, rule } = passage.by;
  return {
    Reached: passage.kind === 'stopped' ? 'no' : 'perhaps',
    StoppedBy: { Table: table, Chain: chain, Rule: rule ?? null },
  };
}
