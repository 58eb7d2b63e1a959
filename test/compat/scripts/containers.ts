import type { Script, Step } from '../script.ts';

const IMAGE = 'busybox:latest';

const create = (name: string, body: object): Step => ({
  name: `create ${name}`,
  request: `POST /containers/create?name=compat-${name}`,
  body: { Image: IMAGE, ...body },
  save: { id: 'Id' },
});

/** Life of a container from create to remove, with right and wrong input. */
export const containers: Script = {
  name: 'containers',
  steps: [
    create('life', {
      Cmd: ['sh', '-c', 'echo out; echo err >&2; exec sleep 1000'],
      Labels: { a: 'b' },
      StopTimeout: 0,
    }),
    { name: 'inspect created', request: 'GET /containers/compat-life/json' },
    {
      name: 'list without all',
      request: `GET /containers/json?filters=${encodeURIComponent('{"name":["compat-life"]}')}`,
    },
    { name: 'stop created', request: 'POST /containers/compat-life/stop' },
    { name: 'kill created', request: 'POST /containers/compat-life/kill' },
    { name: 'pause created', request: 'POST /containers/compat-life/pause' },
    { name: 'exec created', request: 'POST /containers/compat-life/exec', body: { Cmd: ['true'] } },
    { name: 'start', request: 'POST /containers/compat-life/start' },
    { name: 'start again', request: 'POST /containers/compat-life/start' },
    { name: 'inspect running', request: 'GET /containers/compat-life/json' },
    {
      name: 'list running',
      request: `GET /containers/json?filters=${encodeURIComponent('{"name":["compat-life"]}')}`,
    },
    { name: 'remove running', request: 'DELETE /containers/compat-life' },
    { name: 'pause', request: 'POST /containers/compat-life/pause' },
    { name: 'pause again', request: 'POST /containers/compat-life/pause' },
    { name: 'start paused', request: 'POST /containers/compat-life/start' },
    { name: 'exec paused', request: 'POST /containers/compat-life/exec', body: { Cmd: ['true'] } },
    { name: 'unpause', request: 'POST /containers/compat-life/unpause' },
    { name: 'unpause again', request: 'POST /containers/compat-life/unpause' },
    { name: 'kill with a wrong signal', request: 'POST /containers/compat-life/kill?signal=SIGNONE' },
    { name: 'logs of no stream', request: 'GET /containers/compat-life/logs' },
    {
      name: 'create exec',
      request: 'POST /containers/compat-life/exec',
      body: { Cmd: ['sh', '-c', 'cat; exit 5'], AttachStdin: true, AttachStdout: true },
      save: { exec: 'Id' },
    },
    {
      name: 'exec with input',
      kind: 'hijack',
      request: 'POST /exec/{exec}/start',
      body: {},
      input: 'hello\n',
    },
    { name: 'inspect exec', request: 'GET /exec/{exec}/json' },
    { name: 'start exec again', request: 'POST /exec/{exec}/start', body: {} },
    { name: 'inspect unknown exec', request: 'GET /exec/nothing/json' },
    { name: 'rename', request: 'POST /containers/compat-life/rename?name=compat-renamed' },
    { name: 'stop', request: 'POST /containers/compat-renamed/stop?t=0' },
    { name: 'stop again', request: 'POST /containers/compat-renamed/stop' },
    { name: 'wait', request: 'POST /containers/compat-renamed/wait' },
    { name: 'inspect exited', request: 'GET /containers/compat-renamed/json' },
    { name: 'resize exited', request: 'POST /containers/compat-renamed/resize?h=10&w=10' },
    { name: 'remove', request: 'DELETE /containers/compat-renamed' },
    { name: 'remove again', request: 'DELETE /containers/compat-renamed' },
  ],
};

/** A container with an init as PID 1, and one that says that it wants none. */
export const init: Script = {
  name: 'init',
  steps: [
    create('init', { Cmd: ['sleep', '1000'], HostConfig: { Init: true } }),
    { name: 'start', request: 'POST /containers/compat-init/start' },
    { name: 'inspect', request: 'GET /containers/compat-init/json' },
    { name: 'stop', request: 'POST /containers/compat-init/stop' },
    { name: 'inspect stopped', request: 'GET /containers/compat-init/json' },
    { name: 'remove', request: 'DELETE /containers/compat-init' },
    create('no-init', { Cmd: ['true'], HostConfig: { Init: false } }),
    { name: 'inspect without', request: 'GET /containers/compat-no-init/json' },
    { name: 'remove without', request: 'DELETE /containers/compat-no-init' },
  ],
};

/** Attach: both kinds of stream, before and after the start. */
export const attach: Script = {
  name: 'attach',
  steps: [
    create('exit', { Cmd: ['sh', '-c', 'echo one; echo two; exit 3'] }),
    { name: 'start', request: 'POST /containers/compat-exit/start' },
    { name: 'wait', request: 'POST /containers/compat-exit/wait' },
    {
      name: 'attach for logs',
      kind: 'hijack',
      request: 'POST /containers/compat-exit/attach?logs=1&stdout=1&stderr=1',
    },
    { name: 'logs', request: 'GET /containers/compat-exit/logs?stdout=1&stderr=1' },
    { name: 'logs tail', request: 'GET /containers/compat-exit/logs?stdout=1&stderr=1&tail=1' },
    { name: 'logs of stderr', request: 'GET /containers/compat-exit/logs?stderr=1' },
    { name: 'wait for a wrong condition', request: 'POST /containers/compat-exit/wait?condition=never' },
    { name: 'attach to unknown', request: 'POST /containers/compat-nothing/attach?stream=1' },
    { name: 'remove', request: 'DELETE /containers/compat-exit' },
  ],
};

/** What create refuses, and in which words. */
export const badCreate: Script = {
  name: 'bad-create',
  steps: [
    { name: 'no body', request: 'POST /containers/create' },
    { name: 'unknown image', request: 'POST /containers/create', body: { Image: 'compat-no-such-image' } },
    { name: 'invalid reference', request: 'POST /containers/create', body: { Image: 'UPPER' } },
    { name: 'wrong type', request: 'POST /containers/create', body: { Image: 7 } },
    { name: 'bad name', request: 'POST /containers/create?name=a%20b', body: { Image: IMAGE } },
    create('taken', { Cmd: ['true'] }),
    {
      name: 'name taken',
      request: 'POST /containers/create?name=compat-taken',
      body: { Image: IMAGE, Cmd: ['true'] },
    },
    { name: 'remove taken', request: 'DELETE /containers/compat-taken' },
    {
      name: 'little memory',
      request: 'POST /containers/create',
      body: { Image: IMAGE, HostConfig: { Memory: 1000 } },
    },
    {
      name: 'swap below memory',
      request: 'POST /containers/create',
      body: { Image: IMAGE, HostConfig: { Memory: 20000000, MemorySwap: 10000000 } },
    },
    {
      name: 'restart policy',
      request: 'POST /containers/create',
      body: { Image: IMAGE, HostConfig: { RestartPolicy: { Name: 'sometimes' } } },
    },
    {
      name: 'restart and remove',
      request: 'POST /containers/create',
      body: { Image: IMAGE, HostConfig: { AutoRemove: true, RestartPolicy: { Name: 'always' } } },
    },
    {
      name: 'relative mount',
      request: 'POST /containers/create',
      body: { Image: IMAGE, HostConfig: { Mounts: [{ Type: 'bind', Source: '/tmp', Target: 'x' }] } },
    },
    {
      name: 'missing bind source',
      request: 'POST /containers/create',
      body: {
        Image: IMAGE,
        HostConfig: { Mounts: [{ Type: 'bind', Source: '/no/such/folder', Target: '/x' }] },
      },
    },
    {
      name: 'relative working directory',
      request: 'POST /containers/create',
      body: { Image: IMAGE, WorkingDir: 'here' },
    },
    {
      name: 'bad port',
      request: 'POST /containers/create',
      body: { Image: IMAGE, HostConfig: { PortBindings: { '80/tcp': [{ HostPort: 'eighty' }] } } },
    },
    create('nocommand', { Cmd: ['/no/such/program'] }),
    { name: 'start of a missing command', request: 'POST /containers/compat-nocommand/start' },
    { name: 'inspect after a failed start', request: 'GET /containers/compat-nocommand/json' },
    { name: 'remove nocommand', request: 'DELETE /containers/compat-nocommand' },
    { name: 'inspect unknown', request: 'GET /containers/compat-nothing/json' },
    { name: 'start unknown', request: 'POST /containers/compat-nothing/start' },
    { name: 'stop unknown', request: 'POST /containers/compat-nothing/stop' },
    { name: 'wait unknown', request: 'POST /containers/compat-nothing/wait' },
    { name: 'logs unknown', request: 'GET /containers/compat-nothing/logs?stdout=1' },
    { name: 'exec unknown', request: 'POST /containers/compat-nothing/exec', body: { Cmd: ['true'] } },
    { name: 'rename unknown', request: 'POST /containers/compat-nothing/rename?name=x' },
    {
      name: 'wrong filter',
      request: `GET /containers/json?filters=${encodeURIComponent('{"colour":["red"]}')}`,
    },
    { name: 'filters that are no JSON', request: 'GET /containers/json?filters=x' },
  ],
};
