import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { invalid, notImplemented, parseReference } from '../../base/index.ts';
import type { BuildRequest, Isolation } from '../../build/index.ts';
import type { Engine } from '../../engine/index.ts';
import { type Platform, parsePlatform } from '../../registry/index.ts';
import { isArchitectureName } from '../../vm/index.ts';
import { Query } from '../fields.ts';
import { unknownIsolation } from '../host-modes.ts';
import { platformOf } from '../platform.ts';
import { parseRegistryConfig } from '../registry-auth.ts';
import { answerWithLines, clientSignal } from '../streams.ts';

/** POST /build: the classic builder's endpoint, a context tar in and JSON lines out. */
export function buildRoutes(app: FastifyInstance, engine: Engine): void {
  app.post('/build', async (request, reply) => {
    const build = parseBuild(request);
    const quiet = new Query(request.query).flag('q');
    const signal = clientSignal(request);
    await answerWithLines(reply, async (send) => {
      await engine.builder.build(
        build,
        (event) => {
          if (event.kind === 'result')
            send(quiet ? { stream: `${event.imageId}\n` } : { aux: { ID: event.imageId } });
          else if (quiet) return;
          else if (event.kind === 'output') send({ stream: event.text });
          else if (event.kind === 'pull') send(event.progress);
        },
        signal,
      );
    });
  });
}

const REFUSED = [
  'remote',
  'squash',
  'cachefrom',
  'outputs',
  'extrahosts',
  'ulimits',
  'cgroupparent',
  'networkmode',
];

function parseBuild(request: FastifyRequest): BuildRequest {
  const query = new Query(request.query);
  for (const name of REFUSED) {
    if (!['', '0', '[]', 'null', 'false', 'default'].includes(query.text(name))) {
      throw notImplemented(`the build option "${name}" is not there yet`);
    }
  }
  if (query.text('version') === '2') {
    throw notImplemented('this endpoint is the classic builder', {
      hint: 'Set DOCKER_BUILDKIT=0 for the docker CLI',
    });
  }
  const args = query.json('buildargs');
  const isolation = isolationNamed(query.text('isolation'));
  return {
    context: contextStream(request),
    dockerfile: query.text('dockerfile') || 'Dockerfile',
    tags: query.all('t').filter(Boolean).map(parseReference),
    buildArgs: Object.fromEntries(
      args.names().map((name) => [name, args.has(name) ? args.text(name) : undefined]),
    ),
    labels: labels(query),
    target: query.text('target') || undefined,
    noCache: query.flag('nocache'),
    pull: query.flag('pull'),
    credentialsFor: parseRegistryConfig(request.headers['x-registry-config']),
    platform: buildPlatform(platformOf(query), isolation),
    isolation,
    network: 'default',
    limits: {
      memory: query.number('memory') ?? 0,
      memorySwap: query.number('memswap') ?? 0,
      cpuShares: query.number('cpushares') ?? 0,
      cpuPeriod: query.number('cpuperiod') ?? 0,
      cpuQuota: query.number('cpuquota') ?? 0,
      cpusetCpus: query.text('cpusetcpus'),
      cpusetMems: query.text('cpusetmems'),
      shmSize: query.number('shmsize') ?? 0,
    },
  };
}

function isolationNamed(name: string): Isolation {
  switch (name) {
    case '':
    case 'default':
      return 'container';
    case 'vm':
      return 'vm';
    default:
      throw unknownIsolation(name);
  }
}

function labels(query: Query): Record<string, string> {
  const fields = query.json('labels');
  return Object.fromEntries(fields.names().map((name) => [name, fields.text(name)]));
}

/** A container's RUN steps need this host's processor; a virtual machine may have another one. */
function buildPlatform(wanted: Platform | undefined, isolation: Isolation): BuildRequest['platform'] {
  const own = parsePlatform('');
  const { os, architecture } = wanted ?? own;
  if (os === 'linux' && architecture === own.architecture) return { os, architecture };
  const isPossible = os === 'linux' && isArchitectureName(architecture);
  if (isPossible && isolation === 'vm') return { os, architecture };
  const hint = `This host builds for linux/${own.architecture}${isPossible ? `, and for linux/${architecture} with --isolation vm` : ''}`;
  throw notImplemented(`building for ${os}/${architecture} is not there yet`, { hint });
}

/** The body as a plain tar; clients may send it compressed. */
function contextStream(request: FastifyRequest): Readable {
  const body = request.body as Readable | undefined;
  if (body === undefined || typeof body.pipe !== 'function') {
    throw invalid('the build context is missing', { hint: 'Send a tar with Content-Type application/x-tar' });
  }
  const encoding = request.headers['content-encoding'];
  return encoding === 'gzip' ? body.pipe(createGunzip()) : body;
}
