import { randomBytes } from 'node:crypto';
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from '@connectrpc/connect';
import { invalid, notFound, notImplemented } from '../../base/index.ts';
import type { SolvedBuild } from '../builder.ts';
import { BUILD_CAPABILITIES, GATEWAY_CAPABILITIES } from './capabilities.ts';
import { type ControlParts, workerRecord } from './control-service.ts';
import { grpcError } from './grpc-errors.ts';
import type { Job } from './jobs.ts';
import type { LLBBridge, Result, SolveRequest } from './protocol/gateway_pb.ts';

/** Of the calls that belong to a build: its ref. */
const BUILD_ID = 'buildkit-controlapi-buildid';

/** The service by which a client drives its build itself, as buildx does. */
export function gatewayService(parts: ControlParts): Partial<ServiceImpl<typeof LLBBridge>> {
  const jobOf = async ({ requestHeader, signal }: HandlerContext) => {
    const ref = requestHeader.get(BUILD_ID);
    if (ref === null || ref === '')
      throw grpcError(invalid(`a call of a build without its ref (${BUILD_ID})`));
    const job = await parts.jobs.find(ref, signal);
    try {
      job.checkOpen();
    } catch (error) {
      throw grpcError(error, job.dockerfile);
    }
    return job;
  };
  return {
    ping: async (_request, context) => {
      await jobOf(context);
      return {
        frontendApiCaps: GATEWAY_CAPABILITIES,
        llbCaps: BUILD_CAPABILITIES,
        workers: [workerRecord(parts)],
      };
    },
    solve: async (request, context) => solve(parts, await jobOf(context), request, context.signal),
    evaluate: async ({ ref }, context) => {
      resultOf(await jobOf(context), ref);
      return {};
    },
    return: async ({ result, error }, context) => {
      const job = await jobOf(context);
      if (error !== undefined && error.code !== 0)
        job.fail(new ConnectError(error.message, codeOf(error.code)));
      else job.return(returned(job, result));
      return {};
    },
    inputs: async (_request, context) => {
      await jobOf(context);
      return {};
    },
  };
}

async function solve({ builds }: ControlParts, job: Job, request: SolveRequest, signal: AbortSignal) {
  try {
    refuseGraphs(request);
    const { frontend, frontendOpt: attributes, allowResultReturn, allowResultArrayRef } = request;
    // A client may ask for nothing at all, and gets nothing.
    const id = frontend === '' ? '' : randomBytes(16).toString('hex');
    if (frontend !== '') job.keep(await builds.run(job, { frontend, attributes }, signal), id);
    if (!allowResultReturn) return { ref: id };
    const result = allowResultArrayRef
      ? ({ case: 'ref', value: { id } } as const)
      : ({ case: 'refDeprecated', value: id } as const);
    return { result: { result } };
  } catch (error) {
    throw grpcError(error, job.dockerfile);
  }
}

function refuseGraphs({ definition, frontendInputs }: SolveRequest): void {
  if ((definition?.def.length ?? 0) > 0 || Object.keys(frontendInputs).length > 0)
    throw notImplemented(
      "builds from BuildKit's graphs (LLB), and contexts at URLs, which need them, are not there",
    );
}

function returned(job: Job, result: Result | undefined): SolvedBuild | undefined {
  const from = result?.result;
  switch (from?.case) {
    case undefined:
      return undefined;
    case 'ref':
      return resultOf(job, from.value.id);
    case 'refDeprecated':
      return resultOf(job, from.value);
    case 'refs': {
      const [only, ...more] = Object.values(from.value.refs);
      if (more.length > 0) throw grpcError(notImplemented('several results of one build are not there yet'));
      return only === undefined ? undefined : resultOf(job, only.id);
    }
  }
}

/** "" is a result without anything in it. */
function resultOf(job: Job, id: string): SolvedBuild | undefined {
  if (id === '') return undefined;
  const result = job.results.get(id);
  if (result === undefined) throw grpcError(notFound(`this build has no result ${id}`));
  return result;
}

function codeOf(code: number): Code {
  return Object.values(Code).find((known): known is Code => known === code) ?? Code.Unknown;
}
