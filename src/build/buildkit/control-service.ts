import type { HandlerContext, ServiceImpl } from '@connectrpc/connect';
import { notImplemented } from '../../base/index.ts';
import type { SolvedBuild } from '../builder.ts';
import { sessionHeaders } from '../session-headers.ts';
import { StepReports } from '../step-report.ts';
import type { Builds } from './builds.ts';
import { refuseStep, tell } from './builds.ts';
import { type CacheParts, cacheService } from './cache-service.ts';
import { type Exporter, exportersOf, exportImage } from './exporters.ts';
import { grpcError } from './grpc-errors.ts';
import { Job, type Jobs } from './jobs.ts';
import type { Control, SolveRequest } from './protocol/control_pb.ts';
import { Session, type Sessions } from './session.ts';
import { OWN_PLATFORM } from './solve-request.ts';
import { Tunnel } from './tunnel.ts';

export interface ControlParts extends CacheParts {
  readonly builds: Builds;
  readonly jobs: Jobs;
  readonly sessions: Sessions;
  /** Of berth. */
  readonly version: string;
  /** Of this instance. */
  readonly workerId: string;
}

/** The service that builds are asked for at, and that tells how they go. What is not here, clients are told is unimplemented. */
export function controlService(parts: ControlParts): Partial<ServiceImpl<typeof Control>> {
  const { jobs, sessions, version } = parts;
  return {
    solve: (request, context) => solve(parts, request, context),
    async *status({ ref }, { signal }) {
      const job = await jobs.find(ref, signal);
      yield* job.log.read(signal);
    },
    async *session(incoming, { requestHeader, signal }) {
      const headers = sessionHeaders((name) => requestHeader.get(name) ?? undefined);
      const tunnel = new Tunnel(incoming, signal);
      sessions.add(new Session(headers, tunnel.connection));
      yield* tunnel.outgoing;
    },
    ...cacheService(parts),
    listWorkers: () => ({ record: [workerRecord(parts)] }),
    info: () => ({ buildkitVersion: buildkitVersion(version) }),
  };
}

/** The one worker that there is. */
export function workerRecord({ version, workerId }: Pick<ControlParts, 'version' | 'workerId'>) {
  return {
    id: workerId,
    labels: { 'org.mobyproject.buildkit.worker.executor': 'berth' },
    platforms: [OWN_PLATFORM],
    buildkitVersion: buildkitVersion(version),
  };
}

const buildkitVersion = (version: string) => ({ package: 'berth', version: `v${version}`, revision: '' });

async function solve({ builds, jobs }: ControlParts, request: SolveRequest, { signal }: HandlerContext) {
  const job = new Job(request, signal);
  try {
    jobs.add(job); // first: what belongs to a refused build is to be told so, too
    refuseGraphs(request);
    refuseCacheExports(request);
    return { exporterResponse: await answer(builds, job, request) };
  } catch (error) {
    job.failure ??= error;
    throw grpcError(job.failure, job.dockerfile);
  } finally {
    await job.end();
  }
}

/** Builds, or waits for what the client has built by the gateway, and exports it. */
async function answer(builds: Builds, job: Job, request: SolveRequest): Promise<Record<string, string>> {
  const { frontend, frontendAttrs: attributes } = request;
  const [exporter] = exportersOf(request);
  const built =
    frontend === ''
      ? await job.returned
      : job.keep(await builds.run(job, { frontend, attributes }, job.signal));
  const exported = exporter === undefined || built === undefined ? {} : await exportTo(job, built, exporter);
  if (request.cache?.exports.some(({ type }) => type === INLINE_CACHE)) {
    const reports = new StepReports((event) => tell(job, event), job.signal, 'cache-export');
    await refuseStep(reports, 'exporting cache to the image', 'a build cache inside of an image');
  }
  return exported;
}

/** A hint in the image itself for later builds elsewhere: the image is the same without. */
const INLINE_CACHE = 'inline';

function exportTo(job: Job, built: SolvedBuild, exporter: Exporter): Promise<Record<string, string>> {
  return exportImage(built, exporter, (event) => tell(job, event), job.signal);
}

function refuseGraphs({ definition, frontendInputs, enableSessionExporter }: SolveRequest): void {
  if ((definition?.def.length ?? 0) > 0 || Object.keys(frontendInputs).length > 0)
    throw notImplemented(
      "builds from BuildKit's graphs (LLB), and contexts at URLs, which need them, are not there",
    );
  if (enableSessionExporter) throw notImplemented("outputs of a session's own are not there");
}

function refuseCacheExports({ cache }: SolveRequest): void {
  const [first] = (cache?.exports ?? []).filter(({ type }) => type !== INLINE_CACHE);
  if (first !== undefined)
    throw notImplemented(`writing build caches (--cache-to type=${first.type}) is not there yet`);
}
