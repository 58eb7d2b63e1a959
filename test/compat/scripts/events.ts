import type { Script } from '../script.ts';

/** Events of one container's life, asked for afterwards. */
export const events: Script = {
  name: 'events',
  steps: [
    {
      name: 'create',
      request: 'POST /containers/create?name=compat-events',
      body: { Image: 'busybox:latest', Cmd: ['true'] },
      save: { id: 'Id' },
    },
    { name: 'start', request: 'POST /containers/compat-events/start' },
    { name: 'wait', request: 'POST /containers/compat-events/wait' },
    { name: 'remove', request: 'DELETE /containers/compat-events' },
    {
      name: 'events',
      request: `GET /events?since=1&filters=${encodeURIComponent('{"container":["compat-events"]}')}`,
      ends: 'destroy',
      lines: ['Action'],
    },
    { name: 'wrong since', request: 'GET /events?since=yesterday' },
  ],
};
