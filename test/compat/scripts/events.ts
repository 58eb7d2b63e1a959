import type { Script, Step } from '../script.ts';

const NAME = 'compat-events';

/** The events so far that pass some filters: the stream is left when the last one has come. */
const eventsOf = (
  name: string,
  filters: Readonly<Record<string, readonly string[]>>,
  last: string,
): Step => ({
  name,
  request: `GET /events?since=1&filters=${encodeURIComponent(JSON.stringify(filters)).replace('%7Bid%7D', '{id}')}`,
  ends: last,
});

/** One container through everything that has an event. */
const life: readonly Step[] = [
  {
    name: 'create',
    request: `POST /containers/create?name=${NAME}`,
    body: { Image: 'busybox:latest', Cmd: ['sleep', '1000'], Labels: { colour: 'blue' } },
    save: { id: 'Id' },
  },
  { name: 'start', request: `POST /containers/${NAME}/start` },
  {
    name: 'create exec',
    request: `POST /containers/${NAME}/exec`,
    body: { Cmd: ['sh', '-c', 'exit 3'], AttachStdout: true },
    save: { exec: 'Id' },
  },
  { name: 'start exec', kind: 'hijack', request: 'POST /exec/{exec}/start', body: {} },
  { name: 'top', request: `GET /containers/${NAME}/top?ps_args=-o%20pid,comm`, keys: true },
  { name: 'resize', request: `POST /containers/${NAME}/resize?h=11&w=22` },
  { name: 'update', request: `POST /containers/${NAME}/update`, body: { CpuShares: 512 } },
  { name: 'rename', request: `POST /containers/${NAME}/rename?name=${NAME}-2` },
  { name: 'rename back', request: `POST /containers/${NAME}-2/rename?name=${NAME}` },
  { name: 'pause', request: `POST /containers/${NAME}/pause` },
  { name: 'unpause', request: `POST /containers/${NAME}/unpause` },
  { name: 'signal', request: `POST /containers/${NAME}/kill?signal=SIGWINCH` },
  { name: 'commit', request: `POST /commit?container=${NAME}&repo=${NAME}`, keys: true },
  { name: 'copy out', request: `GET /containers/${NAME}/archive?path=/etc/passwd`, keys: true },
  { name: 'export', request: `GET /containers/${NAME}/export`, keys: true },
  { name: 'kill', request: `POST /containers/${NAME}/kill` },
  { name: 'wait', request: `POST /containers/${NAME}/wait` },
  { name: 'remove', request: `DELETE /containers/${NAME}` },
];

/** Events of containers, images, networks and volumes with all their attributes, and what filters make of them. */
export const events: Script = {
  name: 'events',
  steps: [
    ...life,
    eventsOf('of the container', { container: [NAME] }, 'destroy'),
    eventsOf('of its id', { container: ['{id}'], event: ['create', 'destroy'] }, 'destroy'),
    eventsOf('of some actions', { container: [NAME], event: ['exec_create', 'exec_die', 'kill'] }, '"9"'),
    eventsOf('of a label', { label: ['colour=blue'], event: ['rename', 'destroy'] }, 'destroy'),
    eventsOf('of an image', { image: [NAME] }, 'tag'),
    { name: 'remove the image', request: `DELETE /images/${NAME}`, keys: true },
    { name: 'create a network', request: 'POST /networks/create', body: { Name: `${NAME}-net` }, keys: true },
    {
      name: 'create on the network',
      request: `POST /containers/create?name=${NAME}`,
      body: { Image: 'busybox:latest', Cmd: ['true'], HostConfig: { NetworkMode: `${NAME}-net` } },
      save: { id: 'Id' },
    },
    { name: 'start on the network', request: `POST /containers/${NAME}/start` },
    { name: 'wait on the network', request: `POST /containers/${NAME}/wait` },
    { name: 'remove on the network', request: `DELETE /containers/${NAME}` },
    { name: 'remove the network', request: `DELETE /networks/${NAME}-net` },
    eventsOf('of a network', { network: [`${NAME}-net`] }, 'destroy'),
    { name: 'create a volume', request: 'POST /volumes/create', body: { Name: `${NAME}-vol` }, keys: true },
    {
      name: 'create with the volume',
      request: `POST /containers/create?name=${NAME}`,
      body: { Image: 'busybox:latest', Cmd: ['true'], HostConfig: { Binds: [`${NAME}-vol:/data`] } },
      save: { id: 'Id' },
    },
    { name: 'start with the volume', request: `POST /containers/${NAME}/start` },
    { name: 'wait with the volume', request: `POST /containers/${NAME}/wait` },
    { name: 'remove with the volume', request: `DELETE /containers/${NAME}` },
    { name: 'remove the volume', request: `DELETE /volumes/${NAME}-vol` },
    eventsOf('of a volume', { volume: [`${NAME}-vol`] }, 'destroy'),
    { name: 'until the past', request: `GET /events?since=1&until=2` },
    { name: 'wrong since', request: 'GET /events?since=yesterday' },
    { name: 'wrong until', request: 'GET /events?until=tomorrow' },
    {
      name: 'wrong filter',
      request: `GET /events?until=2&filters=${encodeURIComponent('{"colour":["red"]}')}`,
    },
  ],
};
