import type { Script } from '../script.ts';

const IMAGE = 'busybox:latest';

function create(name: string, log: object, more: object = {}) {
  return {
    name: `create ${name}`,
    request: `POST /containers/create?name=compat-${name}`,
    body: { Image: IMAGE, Cmd: ['sh', '-c', 'echo one; echo two'], HostConfig: { LogConfig: log }, ...more },
  };
}

function refused(name: string, log: object) {
  return {
    name,
    request: 'POST /containers/create',
    body: { Image: IMAGE, Cmd: ['true'], HostConfig: { LogConfig: log } },
  };
}

const runs = (name: string) => [
  { name: `start ${name}`, request: `POST /containers/compat-${name}/start` },
  { name: `wait for ${name}`, request: `POST /containers/compat-${name}/wait` },
];

/** Log drivers, their options, and what logs shows of them. */
export const logs: Script = {
  name: 'logs',
  steps: [
    create('local', { Type: 'local', Config: { 'max-size': '1m', compress: 'false' } }),
    ...runs('local'),
    { name: 'inspect local', request: 'GET /containers/compat-local/json' },
    { name: 'logs of local', request: 'GET /containers/compat-local/logs?stdout=1&stderr=1' },
    { name: 'tail of local', request: 'GET /containers/compat-local/logs?stdout=1&tail=1' },
    { name: 'details of local', request: 'GET /containers/compat-local/logs?stdout=1&details=1' },
    { name: 'remove local', request: 'DELETE /containers/compat-local' },
    create(
      'detailed',
      { Type: 'json-file', Config: { labels: 'tier', env: 'COLOUR', tag: '{{.Name}}' } },
      { Labels: { tier: 'back end' }, Env: ['COLOUR=blue&green'] },
    ),
    ...runs('detailed'),
    { name: 'details', request: 'GET /containers/compat-detailed/logs?stdout=1&details=1' },
    { name: 'without details', request: 'GET /containers/compat-detailed/logs?stdout=1' },
    { name: 'before all', request: 'GET /containers/compat-detailed/logs?stdout=1&until=1' },
    { name: 'neither stream', request: 'GET /containers/compat-detailed/logs' },
    { name: 'remove detailed', request: 'DELETE /containers/compat-detailed' },
    create('silent', { Type: 'none' }),
    ...runs('silent'),
    { name: 'logs of none', request: 'GET /containers/compat-silent/logs?stdout=1' },
    { name: 'remove silent', request: 'DELETE /containers/compat-silent' },
    refused('unknown driver', { Type: 'foo' }),
    refused('unknown option', { Type: 'json-file', Config: { foo: '1' } }),
    refused('option of another driver', { Type: 'syslog', Config: { 'max-size': '1m' } }),
    refused('unknown mode', { Type: 'json-file', Config: { mode: 'x' } }),
    refused('buffer without its mode', { Type: 'json-file', Config: { 'max-buffer-size': '1m' } }),
    refused('unknown scheme', { Type: 'syslog', Config: { 'syslog-address': 'foo://x' } }),
    refused('unknown facility', { Type: 'syslog', Config: { 'syslog-facility': 'bar' } }),
    refused('unknown format', { Type: 'syslog', Config: { 'syslog-format': 'x' } }),
  ],
};

/** Leaving terminals, and attaching by web socket. */
export const detach: Script = {
  name: 'detach',
  steps: [
    {
      name: 'create',
      request: 'POST /containers/create?name=compat-shell',
      body: { Image: IMAGE, Cmd: ['cat'], Tty: true, OpenStdin: true },
    },
    { name: 'start', request: 'POST /containers/compat-shell/start' },
    {
      name: 'attach and detach',
      kind: 'hijack',
      request: 'POST /containers/compat-shell/attach?stream=1&stdin=1&detachKeys=ctrl-x',
      input: '\x18',
    },
    { name: 'inspect', request: 'GET /containers/compat-shell/json' },
    {
      name: 'exec with wrong keys',
      request: 'POST /containers/compat-shell/exec',
      body: { Cmd: ['true'], DetachKeys: 'foo' },
    },
    {
      name: 'exec',
      request: 'POST /containers/compat-shell/exec',
      body: { Cmd: ['cat'], Tty: true, AttachStdin: true, AttachStdout: true, DetachKeys: 'ctrl-a,ctrl-b' },
      save: { exec: 'Id' },
    },
    { name: 'inspect exec', request: 'GET /exec/{exec}/json' },
    { name: 'web socket of unknown', request: 'GET /containers/compat-nothing/attach/ws' },
    { name: 'remove', request: 'DELETE /containers/compat-shell?force=1' },
  ],
};
