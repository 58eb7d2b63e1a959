import { gzipSync } from 'node:zlib';
import { blobsOf, type Entry, json, layout, makeImage, named, tar } from '../../fixtures/image-archives.ts';
import { contextTar } from '../context.ts';
import type { RequestStep, Script } from '../script.ts';

const NAME = 'docker.io/library/compat-loaded:1';

const load = (name: string, entries: () => Promise<readonly Entry[]>, query = ''): RequestStep => ({
  name,
  request: `POST /images/load${query}`,
  body: async () => tar(await entries()),
  lines: ['stream', 'error', 'errorDetail', 'message'],
});

const importFrom = (
  name: string,
  query: string,
  body: () => Promise<Buffer> = () => contextTar({ file: 'x' }),
) => ({
  name,
  request: `POST /images/create?${query}`,
  body,
});

const image = () => makeImage({ text: 'compat' });

/** Images as archives: what they are loaded from, how a wrong one is refused, and what an import makes. */
export const imageArchives: Script = {
  name: 'image-archives',
  steps: [
    load('load a layout', async () => {
      const parts = await image();
      return [...blobsOf(parts), ...layout([named(parts, NAME)])];
    }),
    { name: 'inspect it', request: 'GET /images/compat-loaded:1/json' },
    load(
      'load again, quietly',
      async () => [...blobsOf(await image()), ...layout([named(await image(), NAME)])],
      '?quiet=1',
    ),
    { name: 'remove it', request: 'DELETE /images/compat-loaded:1', lines: ['Untagged'] },
    load('load a docker-archive', async () => {
      const { config, layerTar } = await image();
      const list = [{ Config: 'config.json', RepoTags: ['compat-loaded:2'], Layers: ['a/layer.tar'] }];
      return [
        ['config.json', config],
        ['a/layer.tar', layerTar],
        ['manifest.json', json(list)],
      ];
    }),
    { name: 'inspect that', request: 'GET /images/compat-loaded:2/json' },
    { name: 'remove that', request: 'DELETE /images/compat-loaded:2', lines: ['Untagged'] },
    {
      name: 'load it compressed',
      request: 'POST /images/load',
      body: async () =>
        gzipSync(await tar([...blobsOf(await image()), ...layout([named(await image(), NAME)])])),
      lines: ['stream', 'error'],
    },
    { name: 'remove it once more', request: 'DELETE /images/compat-loaded:1', lines: ['Untagged'] },
    load('load nothing', async () => [['file', 'x']]),
    load('load a layout without its blobs', async () => layout([named(await image(), NAME)])),
    load(
      'load for another platform',
      async () => [...blobsOf(await image()), ...layout([named(await image(), NAME)])],
      `?platform=${encodeURIComponent('{"os":"linux","architecture":"s390x"}')}`,
    ),
    { name: 'remove what came of it', request: 'DELETE /images/compat-loaded:1' },
    { name: 'save unknown', request: 'GET /images/get?names=compat-nothing' },
    { name: 'save one unknown', request: 'GET /images/compat-nothing/get' },
    { name: 'save an invalid name', request: 'GET /images/get?names=UPPER' },
    {
      name: 'save of another platform',
      request: `GET /images/busybox:latest/get?platform=${encodeURIComponent('{"os":"linux","architecture":"s390x"}')}`,
    },
    importFrom('import', 'fromSrc=-&repo=compat-imported&tag=1&message=why&changes=ENV%20A%3Db'),
    { name: 'inspect the import', request: 'GET /images/compat-imported:1/json' },
    { name: 'history of the import', request: 'GET /images/compat-imported:1/history' },
    { name: 'remove the import', request: 'DELETE /images/compat-imported:1', lines: ['Untagged'] },
    importFrom('import for a platform', 'fromSrc=-&repo=compat-imported:2&platform=linux/arm64/v8'),
    { name: 'inspect that import', request: 'GET /images/compat-imported:2/json' },
    { name: 'remove that import', request: 'DELETE /images/compat-imported:2', lines: ['Untagged'] },
    importFrom('import by a wrong name', 'fromSrc=-&repo=UPPER'),
    importFrom('import with a wrong tag', 'fromSrc=-&repo=compat&tag=%21'),
    importFrom('import with RUN', 'fromSrc=-&repo=compat&changes=RUN%20x'),
    importFrom('import for a wrong platform', 'fromSrc=-&repo=compat&platform=a/b/c/d'),
    {
      name: 'import from a server that is not there',
      request: 'POST /images/create?fromSrc=http://127.0.0.1:1/x',
    },
  ],
};
