import { contextTar } from '../context.ts';
import type { Script } from '../script.ts';

const container = '/containers/compat-files';

/** Copying, differences, export, processes, and images of containers. */
export const containerFiles: Script = {
  name: 'container-files',
  steps: [
    {
      name: 'create',
      request: 'POST /containers/create?name=compat-files',
      body: { Image: 'busybox:latest', Cmd: ['sleep', '1000'] },
    },
    { name: 'changes of a new one', request: `GET ${container}/changes` },
    { name: 'changes of unknown', request: 'GET /containers/compat-nothing/changes' },
    { name: 'stat a folder', request: `HEAD ${container}/archive?path=/etc` },
    { name: 'stat unknown', request: `HEAD ${container}/archive?path=/compat-nothing` },
    { name: 'stat in unknown', request: 'HEAD /containers/compat-nothing/archive?path=/etc' },
    { name: 'read unknown', request: `GET ${container}/archive?path=/compat-nothing` },
    { name: 'read without a path', request: `GET ${container}/archive` },
    { name: 'read from unknown', request: 'GET /containers/compat-nothing/archive?path=/etc' },
    {
      name: 'write',
      request: `PUT ${container}/archive?path=/home`,
      body: () => contextTar({ 'compat-new': 'new' }),
    },
    {
      name: 'write into unknown',
      request: `PUT ${container}/archive?path=/compat-nothing`,
      body: () => contextTar({ new: 'new' }),
    },
    {
      name: 'write into a file',
      request: `PUT ${container}/archive?path=/etc/passwd`,
      body: () => contextTar({ new: 'new' }),
    },
    {
      name: 'write without a path',
      request: `PUT ${container}/archive`,
      body: () => contextTar({ new: 'new' }),
    },
    { name: 'changes', request: `GET ${container}/changes` },
    { name: 'export unknown', request: 'GET /containers/compat-nothing/export' },
    { name: 'top of a stopped one', request: `GET ${container}/top` },
    { name: 'top of unknown', request: 'GET /containers/compat-nothing/top' },
    { name: 'start', request: `POST ${container}/start` },
    { name: 'top', request: `GET ${container}/top`, keys: true },
    { name: 'top with columns', request: `GET ${container}/top?ps_args=-o%20pid,args`, keys: true },
    { name: 'top without pids', request: `GET ${container}/top?ps_args=-o%20user` },
    { name: 'top with a wrong option', request: `GET ${container}/top?ps_args=--compat` },
    {
      name: 'commit',
      request:
        'POST /commit?container=compat-files&repo=compat-committed&tag=1&author=me&comment=why&changes=ENV%20A%3Db',
      save: { image: 'Id' },
    },
    { name: 'inspect the image', request: 'GET /images/compat-committed:1/json' },
    { name: 'remove the image', request: 'DELETE /images/compat-committed:1', lines: ['Untagged'] },
    { name: 'commit unknown', request: 'POST /commit?container=compat-nothing' },
    { name: 'commit nothing', request: 'POST /commit' },
    { name: 'commit with RUN', request: 'POST /commit?container=compat-files&changes=RUN%20true' },
    { name: 'commit by a wrong name', request: 'POST /commit?container=compat-files&repo=UPPER' },
    { name: 'remove', request: `DELETE ${container}?force=1` },
  ],
};
