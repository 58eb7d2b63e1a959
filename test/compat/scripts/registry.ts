import type { RequestStep, Script } from '../script.ts';

const NOWHERE = `sha256:${'0'.repeat(64)}`;

const look = (name: string, image: string): RequestStep => ({
  name: `look at ${name}`,
  request: `GET /distribution/${image}/json`,
});

const pull = (name: string, query: string): RequestStep => ({
  name: `pull ${name}`,
  request: `POST /images/create?fromImage=${query}`,
  lines: ['status', 'error', 'errorDetail', 'message'],
});

const platform = (value: object) => encodeURIComponent(JSON.stringify(value));

/** What is asked of a registry: looking at an image there, and pulls by tag, by digest, for a platform and of all tags. */
export const registry: Script = {
  name: 'registry',
  steps: [
    look('an image', '{registry}/library/busybox:latest'),
    look('an image without a tag', '{registry}/library/busybox'),
    look('an unknown tag', '{registry}/library/busybox:compat-none'),
    look('an unknown image', '{registry}/compat/none'),
    look('an unknown digest', `{registry}/library/busybox@${NOWHERE}`),
    look('a bad name', '{registry}/UPPER'),
    look('a registry that is not there', '127.0.0.1:1/compat'),
    pull('an image', '{registry}/library/busybox&tag=latest'),
    pull('it again', '{registry}/library/busybox&tag=latest'),
    pull('an unknown tag', '{registry}/library/busybox&tag=compat-none'),
    pull('an unknown digest', `{registry}/library/busybox&tag=${NOWHERE}`),
    pull('for another platform', '{registry}/library/busybox&tag=latest&platform=linux/s390x'),
    pull('for a platform that is none', '{registry}/library/busybox&tag=latest&platform=toaster'),
    pull('all tags of an unknown image', '{registry}/compat/none'),
    {
      name: 'push for another platform',
      request: `POST /images/{registry}/library/busybox/push?tag=latest&platform=${platform({ os: 'linux', architecture: 's390x' })}`,
      lines: ['status', 'error', 'errorDetail', 'message'],
    },
    { name: 'remove it', request: 'DELETE /images/{registry}/library/busybox:latest' },
  ],
};
