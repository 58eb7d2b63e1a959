import type { Difference } from './compare.ts';

/** Where berth answers otherwise than dockerd on purpose, each with its reason. */
export const acceptedDifferences: readonly Difference[] = [
  {
    where: /^system\/version too (new|old)\/(body|contentType)/,
    reason: 'the range of versions differs, and berth says so as JSON, as it does with every error',
  },
  { where: /\/HostConfig\/Runtime$/, reason: 'crun is the default here, as it starts faster' },
  {
    where: /\/(ImageManifestDescriptor|Descriptor)$/,
    reason:
      "members of dockerd's containerd image store; berth's images are named by their config, as before it",
  },
  {
    where: /\/IPPrefixLen$/,
    reason: 'the default pool is cut into smaller subnets, so that fewer routes are shadowed',
  },
  { where: /\/DNSNames/, reason: 'names are not served on networks yet' },
  {
    where: /^containers\/unpause again\/status$/,
    reason: 'the container is not paused: that is a conflict (409), not an internal error (500)',
  },
  {
    where: /^containers\/start exec again\//,
    reason: 'an error before the stream has begun gets a status of its own instead of text in the stream',
  },
  {
    where: /^attach\/attach to unknown\//,
    reason: 'the error is JSON, as everywhere; clients read both',
  },
  {
    where: /^bad-create\/wrong type\/body\/message$/,
    reason: 'the message names the member without the types of another language',
  },
  {
    where:
      /^bad-create\/(start of a missing command\/body\/message|inspect after a failed start\/body\/State\/Error)$/,
    reason: 'one sentence instead of the chain of programs that passed the error on, with the way out',
  },
  {
    where: /^bad-create\/(wrong filter|filters that are no JSON)\/body\/message$/,
    reason: 'the message also tells what is wrong, and which filters there are',
  },
  {
    where: /^images\/list\/body\/0\/(RepoTags|RepoDigests|Containers)/,
    reason: 'an image is listed with all its names, as dockerd did before the containerd image store',
  },
];
