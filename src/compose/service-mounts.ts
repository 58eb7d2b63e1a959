import { asBytes, explained, fieldsOf } from './fields.ts';
import { checkKeys, MOUNT_BIND, MOUNT_IMAGE, MOUNT_TMPFS, MOUNT_VOLUME, VOLUME_MOUNT } from './known-keys.ts';
import { asFlag, asList, asMap, asNumber, asText, type Located, wrongAt } from './located-yaml.ts';
import type { ServiceVolume } from './model.ts';
import { hostPath, parseVolumeShort } from './short-forms.ts';

/** Reads `volumes` in its short and long forms; of two with one target the later wins. */
export function parseMounts(node: Located, directory: string): ServiceVolume[] {
  const mounts = asList(node).map((item) => parseMount(item, directory));
  return [...new Map(mounts.map((mount) => [mount.target, mount])).values()];
}

function parseMount(node: Located, directory: string): ServiceVolume {
  if (node.kind === 'scalar') return explained(node, () => parseVolumeShort(asText(node), directory));
  const map = asMap(node);
  checkKeys(map, VOLUME_MOUNT);
  const get = fieldsOf(map);
  const options = (key: string, keys: typeof MOUNT_BIND) =>
    fieldsOf(
      get(key, (value) => {
        checkKeys(asMap(value), keys);
        return asMap(value);
      }),
    );
  const readOnly = get('read_only', asFlag) ?? false;
  const target = get('target', asText);
  const source = get('source', asText) ?? '';
  if (target === undefined) throw wrongAt(node, `${node.path}.target is missing`);
  const type = get('type', asText);
  switch (type) {
    case 'bind': {
      const bind = options('bind', MOUNT_BIND);
      if (source === '') throw wrongAt(node, `${node.path}.source is missing`);
      return {
        ...{ type, target, readOnly },
        source: hostPath(source, directory),
        createSource: bind('create_host_path', asFlag) ?? true,
        propagation: bind('propagation', asText),
        recursive: bind('recursive', recursion),
      };
    }
    case 'volume': {
      const volume = options('volume', MOUNT_VOLUME);
      const noCopy = volume('nocopy', asFlag) ?? false;
      return { type, source, target, readOnly, noCopy, subpath: volume('subpath', asText) };
    }
    case 'tmpfs': {
      const tmpfs = options('tmpfs', MOUNT_TMPFS);
      return { type, target, size: tmpfs('size', asBytes), mode: tmpfs('mode', asNumber) };
    }
    case 'image': {
      if (source === '') throw wrongAt(node, `${node.path}.source is missing`);
      return { type, source, target, subpath: options('image', MOUNT_IMAGE)('subpath', asText) };
    }
    default:
      throw wrongAt(node, `${node.path}.type must be bind, volume, tmpfs or image, not "${type ?? ''}"`);
  }
}

function recursion(node: Located): 'disabled' | 'writable' | 'readonly' | undefined {
  const text = asText(node);
  if (text === 'enabled') return undefined;
  if (text === 'disabled' || text === 'writable' || text === 'readonly') return text;
  throw wrongAt(node, `${node.path} must be enabled, disabled, writable or readonly, not "${text}"`);
}
