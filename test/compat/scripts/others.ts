import type { Script } from '../script.ts';

export const system: Script = {
  name: 'system',
  steps: [
    { name: 'ping', request: 'GET /_ping' },
    { name: 'version', request: 'GET /version', keys: true },
    { name: 'info', request: 'GET /info', keys: true },
    { name: 'unknown path', request: 'GET /no/such/path' },
    { name: 'version too new', request: 'GET /v1.99/version' },
    { name: 'version too old', request: 'GET /v1.12/version' },
  ],
};

export const images: Script = {
  name: 'images',
  steps: [
    { name: 'inspect unknown', request: 'GET /images/compat-nothing/json' },
    { name: 'history unknown', request: 'GET /images/compat-nothing/history' },
    { name: 'tag', request: 'POST /images/busybox:latest/tag?repo=compat-tagged&tag=1' },
    {
      name: 'list',
      request: `GET /images/json?filters=${encodeURIComponent('{"reference":["compat-tagged"]}')}`,
    },
    { name: 'inspect', request: 'GET /images/busybox:latest/json' },
    { name: 'history', request: 'GET /images/busybox:latest/history', keys: true },
    {
      name: 'pull from a registry that is not there',
      request: 'POST /images/create?fromImage=127.0.0.1:1/compat&tag=x',
    },
    { name: 'pull of an invalid name', request: 'POST /images/create?fromImage=UPPER&tag=x' },
    {
      name: 'prune',
      request: `POST /images/prune?filters=${encodeURIComponent('{"label":["compat-none"]}')}`,
    },
    { name: 'tag unknown', request: 'POST /images/compat-nothing/tag?repo=x' },
    { name: 'tag with a bad name', request: 'POST /images/busybox:latest/tag?repo=UPPER' },
    { name: 'untag', request: 'DELETE /images/compat-tagged:1' },
    { name: 'remove unknown', request: 'DELETE /images/compat-nothing' },
    {
      name: 'use',
      request: 'POST /containers/create?name=compat-user',
      body: { Image: 'busybox:latest', Cmd: ['true'] },
    },
    { name: 'remove the container', request: 'DELETE /containers/compat-user' },
  ],
};

export const networks: Script = {
  name: 'networks',
  steps: [
    {
      name: 'create',
      request: 'POST /networks/create',
      body: { Name: 'compat-net', Labels: { a: 'b' } },
      save: { id: 'Id' },
    },
    { name: 'create again', request: 'POST /networks/create', body: { Name: 'compat-net' } },
    { name: 'inspect', request: 'GET /networks/compat-net' },
    { name: 'list', request: `GET /networks?filters=${encodeURIComponent('{"name":["compat-net"]}')}` },
    { name: 'inspect unknown', request: 'GET /networks/compat-nothing' },
    {
      name: 'prune',
      request: `POST /networks/prune?filters=${encodeURIComponent('{"label":["compat-none"]}')}`,
    },
    { name: 'remove predefined', request: 'DELETE /networks/bridge' },
    { name: 'create without a name', request: 'POST /networks/create', body: { Name: '' } },
    {
      name: 'create with a bad driver',
      request: 'POST /networks/create',
      body: { Name: 'compat-x', Driver: 'compat-driver' },
    },
    {
      name: 'container on unknown',
      request: 'POST /containers/create?name=compat-lost',
      body: { Image: 'busybox:latest', HostConfig: { NetworkMode: 'compat-none' } },
    },
    { name: 'start on unknown', request: 'POST /containers/compat-lost/start' },
    { name: 'remove the lost', request: 'DELETE /containers/compat-lost' },
    {
      name: 'container on it',
      request: 'POST /containers/create?name=compat-c',
      body: { Image: 'busybox:latest', Cmd: ['sleep', '1000'], HostConfig: { NetworkMode: 'compat-net' } },
    },
    { name: 'start', request: 'POST /containers/compat-c/start' },
    { name: 'inspect with a member', request: 'GET /networks/compat-net' },
    { name: 'remove in use', request: 'DELETE /networks/compat-net' },
    { name: 'remove the container', request: 'DELETE /containers/compat-c?force=1' },
    { name: 'remove', request: 'DELETE /networks/compat-net' },
    { name: 'remove again', request: 'DELETE /networks/compat-net' },
  ],
};

export const volumes: Script = {
  name: 'volumes',
  steps: [
    { name: 'create', request: 'POST /volumes/create', body: { Name: 'compat-vol', Labels: { a: 'b' } } },
    { name: 'create again', request: 'POST /volumes/create', body: { Name: 'compat-vol' } },
    { name: 'inspect', request: 'GET /volumes/compat-vol' },
    { name: 'list', request: `GET /volumes?filters=${encodeURIComponent('{"name":["compat-vol"]}')}` },
    { name: 'inspect unknown', request: 'GET /volumes/compat-nothing' },
    { name: 'bad name', request: 'POST /volumes/create', body: { Name: 'a/b' } },
    {
      name: 'bad driver',
      request: 'POST /volumes/create',
      body: { Name: 'compat-d', Driver: 'compat-driver' },
    },
    {
      name: 'use',
      request: 'POST /containers/create?name=compat-v',
      body: { Image: 'busybox:latest', Cmd: ['true'], HostConfig: { Binds: ['compat-vol:/data'] } },
    },
    { name: 'remove in use', request: 'DELETE /volumes/compat-vol' },
    { name: 'remove the container', request: 'DELETE /containers/compat-v' },
    { name: 'remove', request: 'DELETE /volumes/compat-vol' },
    { name: 'remove again', request: 'DELETE /volumes/compat-vol' },
    { name: 'remove again by force', request: 'DELETE /volumes/compat-vol?force=1' },
    {
      name: 'prune',
      request: `POST /volumes/prune?filters=${encodeURIComponent('{"label":["compat-none"]}')}`,
    },
  ],
};
