import { contextTar } from '../context.ts';
import type { RequestStep, Script } from '../script.ts';

/** The saved value `{id}` is filled in later. */
const filters = (value: Readonly<Record<string, readonly string[]>>) =>
  `filters=${encodeURIComponent(JSON.stringify(value)).replace('%7Bid%7D', '{id}')}`;

const get = (name: string, path: string): RequestStep => ({ name, request: `GET ${path}` });
const post = (name: string, path: string): RequestStep => ({ name, request: `POST ${path}` });
const remove = (name: string, path: string): RequestStep => ({ name, request: `DELETE ${path}` });

/** Builds an image that no other script has; only errors are compared. */
const build = (label: string): RequestStep => ({
  name: `build ${label}`,
  request: `POST /build?t=${label}:1`,
  body: () => contextTar({ Dockerfile: `FROM busybox:latest\nLABEL compat=${label}\n` }),
  lines: ['errorDetail'],
});

/** Who may remove an image, and what it answers. */
export const imageRemoval: Script = {
  name: 'image-removal',
  steps: [
    build('compat-rmi'),
    { ...get('inspect', '/images/compat-rmi:1/json?manifests=1'), save: { id: 'Id' } },
    post('second name', '/images/compat-rmi:1/tag?repo=compat-rmi&tag=2'),
    remove('by id, with two names', '/images/{id}'),
    {
      name: 'use',
      request: 'POST /containers/create?name=compat-rmi',
      body: { Image: 'compat-rmi:1', Cmd: ['sleep', '1000'], Labels: { compat: 'rmi-user' } },
    },
    remove('one of two names', '/images/compat-rmi:2'),
    remove('last name of a used one', '/images/compat-rmi:1'),
    remove('by id, used', '/images/{id}'),
    post('start', '/containers/compat-rmi/start'),
    remove('last name, used by a running one', '/images/compat-rmi:1'),
    remove('by id, used by a running one', '/images/{id}'),
    remove('by id and force, used by a running one', '/images/{id}?force=1'),
    { ...get('list', `/images/json?manifests=1&${filters({ reference: ['compat-rmi:1'] })}`), keys: true },
    remove('end the container', '/containers/compat-rmi?force=1'),
    remove('last name', '/images/compat-rmi:1'),
    remove('again', '/images/compat-rmi:1'),
    {
      ...get('events', `/events?since=1&${filters({ image: ['{id}'], event: ['untag', 'delete'] })}`),
      lines: ['Action', 'Actor.Attributes'],
      ends: '"delete"',
    },
  ],
};

/** Lists and histories of images. */
export const imageLists: Script = {
  name: 'image-lists',
  steps: [
    build('compat-list'),
    post('old', '/images/busybox:latest/tag?repo=compat-list&tag=old'),
    get('by label', `/images/json?${filters({ label: ['compat=compat-list'] })}`),
    get('by missing label', `/images/json?${filters({ label: ['compat=compat-list', 'compat=other'] })}`),
    get('by pattern', `/images/json?${filters({ reference: ['compat-l?st:[0-9]'] })}`),
    get('by pattern of another', `/images/json?${filters({ reference: ['compat-l?st:[a-m]*'] })}`),
    get(
      'by label and before another',
      `/images/json?${filters({ label: ['compat=compat-list'], before: ['busybox:latest'] })}`,
    ),
    get(
      'by label and since another',
      `/images/json?${filters({ label: ['compat=compat-list'], since: ['busybox:latest'] })}`,
    ),
    get(
      'by label and age',
      `/images/json?${filters({ label: ['compat=compat-list'], until: ['2013-01-02T13:23:37Z'] })}`,
    ),
    get(
      'dangling by label',
      `/images/json?${filters({ label: ['compat=compat-list'], dangling: ['true'] })}`,
    ),
    get('with shared sizes', `/images/json?shared-size=1&${filters({ label: ['compat=compat-list'] })}`),
    get('with manifests', `/images/json?manifests=1&${filters({ label: ['compat=compat-list'] })}`),
    get('wrong filter', `/images/json?${filters({ bogus: ['x'] })}`),
    get('wrong dangling', `/images/json?${filters({ dangling: ['x'] })}`),
    get('contradictory dangling', `/images/json?${filters({ dangling: ['true', 'false'] })}`),
    get('before an unknown image', `/images/json?${filters({ before: ['compat-nothing'] })}`),
    get('since an unknown image', `/images/json?${filters({ since: ['compat-nothing'] })}`),
    get('wrong until', `/images/json?${filters({ until: ['bogus'] })}`),
    get('history', '/images/compat-list:1/history'),
    get('history of a pulled one', '/images/busybox:latest/history'),
    get(
      'history of another platform',
      `/images/busybox:latest/history?platform=${encodeURIComponent('{"os":"linux","architecture":"s390x"}')}`,
    ),
    get('history of a wrong platform', '/images/busybox:latest/history?platform=x'),
    get(
      'inspect of another platform',
      `/images/busybox:latest/json?platform=${encodeURIComponent('{"os":"linux","architecture":"s390x"}')}`,
    ),
    get('inspect with manifests', '/images/compat-list:1/json?manifests=1'),
    remove('untag the old', '/images/compat-list:old'),
    remove('remove', '/images/compat-list:1'),
  ],
};

const pruned = (kind: string, value: Readonly<Record<string, readonly string[]>>) =>
  post(`${kind} by ${JSON.stringify(value)}`, `/${kind}/prune?${filters(value)}`);

/** What is unused and carries a label goes; wrong filters are refused. */
export const prunes: Script = {
  name: 'prune',
  steps: [
    {
      name: 'container',
      request: 'POST /containers/create?name=compat-prune',
      body: { Image: 'busybox:latest', Cmd: ['true'], Labels: { compat: 'prune' } },
    },
    pruned('containers', { label: ['compat=prune'], until: ['24h'] }),
    pruned('containers', { label: ['compat=prune'], 'label!': ['compat'] }),
    pruned('containers', { label: ['compat=prune'] }),
    {
      name: 'network',
      request: 'POST /networks/create',
      body: { Name: 'compat-prune', Labels: { compat: 'prune' } },
    },
    pruned('networks', { label: ['compat=prune'], until: ['24h'] }),
    pruned('networks', { label: ['compat=prune'] }),
    {
      name: 'volume',
      request: 'POST /volumes/create',
      body: { Name: 'compat-prune', Labels: { compat: 'prune' } },
    },
    pruned('volumes', { label: ['compat=prune'] }),
    pruned('volumes', { label: ['compat=prune'], all: ['true'] }),
    build('compat-prune'),
    pruned('images', { label: ['compat=compat-prune'] }),
    pruned('images', { label: ['compat=compat-prune'], dangling: ['false'], until: ['24h'] }),
    { ...pruned('images', { label: ['compat=compat-prune'], dangling: ['false'] }), keys: true },
    get('pruned image', '/images/compat-prune:1/json'),
    ...['containers', 'images', 'networks', 'volumes', 'build'].flatMap((kind) => [
      pruned(kind, { bogus: ['x'] }),
      pruned(kind, { until: ['bogus'] }),
    ]),
    pruned('containers', { until: ['1', '2'] }),
    pruned('images', { dangling: ['x'] }),
    pruned('volumes', { all: ['x'] }),
    pruned('build', { until: ['1'] }),
    {
      ...get('events', `/events?since=1&${filters({ event: ['prune'], type: ['builder', 'container'] })}`),
      lines: ['Action', 'Type', 'Actor.ID'],
      ends: '"builder"',
    },
  ],
};

/** What things take; the figures are the host's. */
export const diskUsage: Script = {
  name: 'disk-usage',
  steps: [
    {
      name: 'volume',
      request: 'POST /volumes/create',
      body: { Name: 'compat-df', Labels: { compat: 'df' } },
    },
    { ...get('all', '/system/df'), keys: true },
    { ...get('images', '/system/df?type=image'), keys: true },
    { ...get('containers and the build cache', '/system/df?type=container&type=build-cache'), keys: true },
    get('unknown type', '/system/df?type=bogus'),
    { name: 'use', request: 'POST /containers/create?name=compat-df', body: { Image: 'busybox:latest' } },
    {
      ...get('containers with sizes', `/containers/json?all=1&size=1&${filters({ name: ['compat-df'] })}`),
      keys: true,
    },
    { ...get('container with sizes', '/containers/compat-df/json?size=1'), keys: true },
    remove('remove the container', '/containers/compat-df'),
    remove('remove the volume', '/volumes/compat-df'),
  ],
};

/** Searches that no registry need answer. */
export const search: Script = {
  name: 'search',
  steps: [
    get('limit out of range', '/images/search?term=x&limit=1000'),
    get('limit that is no number', '/images/search?term=x&limit=abc'),
    get('wrong filter', `/images/search?term=x&${filters({ bogus: ['a'] })}`),
    get('wrong stars', `/images/search?term=x&${filters({ stars: ['a'] })}`),
    get('wrong is-official', `/images/search?term=x&${filters({ 'is-official': ['a'] })}`),
    get('at a registry that is not there', '/images/search?term=127.0.0.1:1/x'),
  ],
};
