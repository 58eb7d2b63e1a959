// push.ts REGISTRY-URL NAME "TAG..." TAR KIND DESCRIPTION HASH: pushes one tar as a stand-in.
import { createReadStream } from 'node:fs';
import { pushImage } from './distribution.ts';
import { imageConfig, isStandIn } from './image.ts';

const [registry = '', name = '', tags = '', tar = '', kind = '', description = '', hash = ''] =
  process.argv.slice(2);
if (!isStandIn(kind)) throw new Error(`no stand-in is called "${kind}"`);
await pushImage({
  repository: `${registry}/v2/library/${name}`,
  tags: tags.split(' '),
  layer: createReadStream(tar),
  config: (diffId) => imageConfig({ kind, description, hash, diffId }),
});
