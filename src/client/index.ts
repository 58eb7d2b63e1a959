/** The typed client of the Docker Engine API. */

export { type BuildOptions, openBuildContext, openDockerfileContext } from './build.ts';
export type { BuildContextOptions } from './build-context.ts';
export type { AttachOptions, LogOptions, PendingExit, WaitCondition } from './containers.ts';
export { EngineClient, type EngineClientOptions } from './engine-client.ts';
export { type Refusal, refusalOf } from './failures.ts';
export { formatHost, type HostAddress, parseHost } from './host.ts';
export type { PullOptions, PushOptions } from './images.ts';
export { packLocal, type UnpackOptions, unpackLocal } from './local-archive.ts';
export type { CreationMessage } from './machines.ts';
export { type KeptIn, RegistryCredentials } from './registry-credentials.ts';
export { parseServerTiming, type RequestTrace } from './request-trace.ts';
export { copyOutput, type OutputChunk, type OutputStream, outputChunks } from './streams.ts';
export { type Filters, type HijackedStream, NEWEST_API_VERSION, OLDEST_API_VERSION } from './transport.ts';
export type * from './types/index.ts';
