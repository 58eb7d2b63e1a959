import type { RequestStep, Script } from '../script.ts';

const push = (name: string, image: string): RequestStep => ({
  name,
  request: `POST /images/${image}`,
  lines: ['status', 'error', 'errorDetail', 'message'],
});

const login = (name: string, body: unknown): RequestStep => ({ name, request: 'POST /auth', body });

/** Pushes and logins, without a registry: what is refused before one is asked, and one that is not there. */
export const pushes: Script = {
  name: 'push',
  steps: [
    push('unknown image', 'compat-nothing/push?tag=x'),
    push('unknown tag', 'busybox/push?tag=compat-none'),
    push('every tag of an unknown image', 'compat-nothing/push'),
    push('invalid name', 'UPPER/push?tag=x'),
    { name: 'tag', request: 'POST /images/busybox:latest/tag?repo=127.0.0.1:1/compat-push&tag=1' },
    push('to a registry that is not there', '127.0.0.1:1/compat-push/push?tag=1'),
    push('by name and tag at once', '127.0.0.1:1/compat-push:1/push'),
    push('by digest', `busybox@sha256:${'0'.repeat(64)}/push`),
    { name: 'untag', request: 'DELETE /images/127.0.0.1:1/compat-push:1' },
    login('login at a registry that is not there', {
      username: 'a',
      password: 'b',
      serveraddress: '127.0.0.1:1',
    }),
    login('login at an invalid address', { username: 'a', password: 'b', serveraddress: 'http://[bad' }),
    login('login with a wrong type', { username: 1 }),
  ],
};
