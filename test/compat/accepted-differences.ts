import type { Difference } from './compare.ts';

/** Where berth answers otherwise than dockerd on purpose, each with its reason. */
export const acceptedDifferences: readonly Difference[] = [
  {
    where: /^system\/version too (new|old)\/(body|contentType)/,
    reason: 'the range of versions differs, and berth says so as JSON, as it does with every error',
  },
  { where: /\/HostConfig\/Runtime$/, reason: 'crun is the default here, as it starts faster' },
  {
    where: /\/(ImageManifestDescriptor|Descriptor|Descriptor\/annotations)$/,
    reason:
      "members of dockerd's containerd image store; berth's images are named by their config, as before it",
  },
  {
    where: /\/IPPrefixLen$/,
    reason: 'the default pool is cut into smaller subnets, so that fewer routes are shadowed',
  },
  {
    where: /^containers\/unpause again\/status$/,
    reason: 'the container is not paused: that is a conflict (409), not an internal error (500)',
  },
  {
    where: /^containers\/start exec again\//,
    reason: 'an error before the stream has begun gets a status of its own instead of text in the stream',
  },
  {
    where: /^detach\/exec with wrong keys\/status$/,
    reason: 'wrong keys are bad input (400), as with attach, not an internal error (500)',
  },
  {
    where: /^attach\/attach to unknown\//,
    reason: 'the error is JSON, as everywhere; clients read both',
  },
  {
    where: /^(bad-create|update)\/wrong type\/body\/message$/,
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
    where: /^bad-options\/isolation\/body\/message$/,
    reason: 'the message also names the isolation that berth has besides',
  },
  {
    where: /^images\/list\/body\/0\/(RepoTags|RepoDigests|Containers)/,
    reason: 'an image is listed with all its names, as dockerd did before the containerd image store',
  },
  {
    where:
      /^system\/info\/body\/(Containerd|ContainerdCommit|FirewallBackend|GenericResources|Http.*|NEventsListener|NFd|NGoroutines|NoProxy|OSVersion|RuncCommit|InitCommit)$/,
    reason: 'members about parts that berth is not made of',
  },
  {
    where:
      /^(images|image-archives|build|container-files)\/inspect.*\/body\/(Metadata|Parent|RepoTags|RepoDigests)/,
    reason: 'times of tags and parents are not kept; the peer knows the image by more names',
  },
  {
    where: /^network-options\/(range|reserved|gateway) outside\/body\/message$/,
    reason: 'one line that names the value and the subnet',
  },
  {
    where: /^network-options\/(no CIDR|host bits|no boolean|no address|no number)\/body\/message$/,
    reason: "says the rule, without the words of another language's parser",
  },
  {
    where: /^container-files\/top with(out pids| a wrong option)\//,
    reason: "wrong options of ps are the request's fault (400), and the message tells the way out",
  },
  {
    where:
      /^image-archives\/(load (nothing|a layout without its blobs|for another platform)|remove what came of it)\//,
    reason: 'a broken archive is refused with a status of its own, and nothing of it is kept',
  },
  {
    where: /^image-archives\/(save of another|import with a wrong tag|import for a wrong).*\/body\/message$/,
    reason: 'the message also tells the way out',
  },
  {
    where: /^image-archives\/import from a server that is not there\//,
    reason: 'what berth depends on does not answer: 503, and the reason without the chain of calls',
  },
  {
    where: /^images\/pull from a registry that is not there\//,
    reason: 'what berth depends on does not answer: 503, and the reason without the chain of calls',
  },
  {
    where: /^push\/(to a registry that is not there|by name and tag at once)\/body\//,
    reason:
      'layers begin as "Preparing", as before the containerd image store; the reason without the chain of calls',
  },
  {
    where: /^registry\/look at (an unknown (tag|image|digest)|a registry that is not there)\/(status|body)/,
    reason:
      'the image or registry is named; a registry that does not answer is 503, without the chain of calls',
  },
  {
    where: /^registry\/pull (an image|it again|an unknown (tag|digest))\/body\//,
    reason: 'layers that are here are told of one by one, and what is not found in the words of the registry',
  },
  {
    where: /^registry\/pull for (another platform|a platform that is none)\/body\//,
    reason: 'an image for another platform than was asked for is refused, and says which one it is for',
  },
  {
    where: /^registry\/remove it\/body\/1/,
    reason: 'the digest that the image was pulled by goes with its last name, and is told',
  },
  {
    where: /^push\/login at a registry that is not there\//,
    reason: 'what berth depends on does not answer: 503, and the reason without the chain of calls',
  },
  {
    where: /^push\/login (at an invalid address|with a wrong type)\/body\/message$/,
    reason: 'one sentence instead of the chain of parsers',
  },
  {
    where: /^build\/.*\/body\/0/,
    reason: "errors of a build begin with the Dockerfile's name and line, and tell the way out",
  },
  {
    where: /^build\/missing dockerfile\/status$/,
    reason: 'the request is wrong (400), the daemon is not (500)',
  },
  {
    where: /^build\/inspect.*\/body\/Comment$/,
    reason: "images carry BuildKit's comment, as its own builds do",
  },
  {
    where: /\/(State\/Berth|body\/\d+\/Berth|info\/body\/Berth)(\/|$)/,
    reason: 'an extension: why the container ended or was not started',
  },
  {
    where: /^(image-lists|image-removal)\/.*\/(Parent|ParentId|RepoDigests(\/\d+)?)$/,
    reason: 'an image that was made here has no digest before it is pushed, and no parent, as with BuildKit',
  },
  {
    where: /^(image-lists|image-removal)\/.*\/Manifests\/0\/(Descriptor\/(mediaType|size)|.*Size\/\w+)$/,
    reason:
      'the config stands for the manifest that an image made here does not have yet; sizes are of files',
  },
  {
    where: /^(image-lists|image-removal)\/.*\/(Comment|CreatedBy)$/,
    reason: "images carry BuildKit's words, as its own builds do",
  },
  {
    where: /^image-lists\/with shared sizes\/body\/0\/SharedSize$/,
    reason: 'the layers that the image has from busybox are shared with busybox',
  },
  {
    where: /^image-lists\/history.*\/body\/\d+\/(Id|Tags)/,
    reason: 'steps are not images of their own; the peer knows busybox by more names',
  },
  {
    where:
      /^(image-lists\/(wrong until|history of a wrong platform)|prune\/(.*"until":\["bogus"|build by .*bogus|volumes by .*"all":\["x").*|search\/(limit that is no number|wrong stars|at a registry that is not there))\/body\/message$/,
    reason: 'one sentence instead of the chain of parsers and programs, with the way out',
  },
  {
    where: /^disk-usage\/.*\/body\/(Image|Container|Volume|BuildCache)Usage$/,
    reason: 'members of version 1.52, by which clients need not guess what can be freed',
  },
  {
    where: /^search\/at a registry that is not there\/status$/,
    reason: 'what berth depends on does not answer: 503',
  },
  {
    where: /^network-changes\/(and )?disconnect .*again.*\/status$/,
    reason: 'the container is not connected: that is a conflict (409), not an internal error (500)',
  },
  {
    where: /^containers\/inspect exited\/body\/NetworkSettings\/Networks\/bridge\/DNSNames$/,
    reason: 'after a rename dockerd shows names on the default network, where none are served',
  },
  {
    where: /^network-changes\/start linked too early\/status$/,
    reason: 'the other container does not run: that is a conflict (409), not an internal error (500)',
  },
  {
    where: /^network-changes\/inspect linked\/body\/LogPath$/,
    reason: 'a start that failed has a place for its log, whatever it failed for',
  },
  {
    where: /^bad-options\/.*\/status$/,
    reason: 'the request is wrong (400) or comes at the wrong time (409), the daemon is not (500)',
  },
  {
    where: /^bad-options\/resolver\/body\/message$/,
    reason: 'the message names the member, without the words of another language',
  },
  {
    where: /^options\/inspect modes\/body\/HostConfig\/SecurityOpt/,
    reason: 'no label of SELinux is taken away where none is given',
  },
  {
    where: /^events\/wrong (since|until)\/body\/message$/,
    reason: 'one sentence instead of the chain of parsers',
  },
  {
    where: /^events\/wrong filter\//,
    reason: 'an unknown filter is refused, as it is in lists: an ignored one would let everything pass',
  },
];
