import type { Script } from '../script.ts';

/** Where the forms of `-p` publish; inspect alone shows it, as dockerd lists the ports of a container in no order. */
export const publishedPorts: Script = {
  name: 'published-ports',
  steps: [
    {
      name: 'create',
      request: 'POST /containers/create?name=compat-ports',
      body: {
        Image: 'busybox:latest',
        Cmd: ['sleep', '1000'],
        ExposedPorts: { '89/tcp': {} },
        HostConfig: {
          PublishAllPorts: true,
          PortBindings: {
            '80/tcp': [{}],
            '81/udp': [{ HostPort: '' }],
            '82/tcp': [{ HostPort: '28182' }],
            '83/tcp': [{ HostPort: '28183-28189' }],
            '84/tcp': [{ HostIp: '0.0.0.0' }],
            '85/tcp': [{ HostIp: '0.0.0.0', HostPort: '28185' }],
            '86/tcp': [{ HostIp: '::' }],
            '87/tcp': [{ HostIp: '127.0.0.1' }],
          },
        },
      },
      save: { id: 'Id' },
    },
    { name: 'start', request: 'POST /containers/compat-ports/start' },
    { name: 'inspect', request: 'GET /containers/compat-ports/json' },
    { name: 'remove', request: 'DELETE /containers/compat-ports?force=1' },
  ],
};
