/** What a client may ask for while it drives a build (BuildKit, frontend/gateway/pb). */
const GATEWAY = [
  'solve.base',
  'return',
  'returnmap',
  'proto.refarray',
  'frontend.inputs',
  'gateway.evaluate',
];

/** What a build itself can do (BuildKit, solver/pb); clients leave away what is not here, or refuse it. */
const BUILD = [
  'source.image',
  'source.local',
  'exec.meta.base',
  'exec.meta.network',
  'file.base',
  'platform',
  // Of graphs that clients make themselves, for contexts at URLs: with these they ask, and are told in words why not.
  'constraints',
  'meta.description',
  'source.git',
  'source.git.fullurl',
  'source.http',
];

const enabled = (id: string) => ({ id, enabled: true });

export const GATEWAY_CAPABILITIES = GATEWAY.map(enabled);
export const BUILD_CAPABILITIES = BUILD.map(enabled);
