import { asBytes, fieldsOf } from './fields.ts';
import { BLKIO, BLKIO_RATE, BLKIO_WEIGHT, checkKeys, GPU } from './known-keys.ts';
import { asList, asMap, asNumber, asText, asTexts, type Located, wrongAt } from './located-yaml.ts';
import type { ServiceBlockIo, ServiceGpus } from './model.ts';

/** Reads `blkio_config`: weights, and rates in bytes ("12mb") or operations per second. */
export function parseBlockIo(node: Located): ServiceBlockIo {
  const map = asMap(node);
  checkKeys(map, BLKIO);
  const get = fieldsOf(map);
  const rates = (key: string, read: (value: Located) => number) =>
    get(key, (list) => asList(list).map((item) => limitOf(item, 'rate', BLKIO_RATE, read))) ?? [];
  return {
    weight: get('weight', asNumber),
    weightDevices:
      get('weight_device', (list) =>
        asList(list).map((item) => limitOf(item, 'weight', BLKIO_WEIGHT, asNumber)),
      ) ?? [],
    readBps: rates('device_read_bps', asBytes),
    writeBps: rates('device_write_bps', asBytes),
    readIops: rates('device_read_iops', asNumber),
    writeIops: rates('device_write_iops', asNumber),
  };
}

function limitOf(
  node: Located,
  key: 'rate' | 'weight',
  keys: typeof BLKIO_RATE,
  read: (value: Located) => number,
): { path: string; value: number } {
  const map = asMap(node);
  checkKeys(map, keys);
  const get = fieldsOf(map);
  const [path, value] = [get('path', asText), get(key, read)];
  if (path === undefined || value === undefined)
    throw wrongAt(node, `${node.path} must have path and ${key}`);
  return { path, value };
}

/** Reads `gpus`: "all", or a list of requests. */
export function parseGpus(node: Located): ServiceGpus[] {
  if (node.kind === 'scalar') {
    if (asText(node) === 'all') return [{ driver: '', count: -1, deviceIds: [], capabilities: ['gpu'] }];
    throw wrongAt(node, `${node.path} must be "all" or a list, not "${asText(node)}"`);
  }
  return asList(node).map((item) => {
    const map = asMap(item);
    checkKeys(map, GPU);
    const get = fieldsOf(map);
    const deviceIds = get('device_ids', asTexts) ?? [];
    const count = get('count', (value) => (asText(value) === 'all' ? -1 : asNumber(value)));
    return {
      driver: get('driver', asText) ?? '',
      count: count ?? (deviceIds.length === 0 ? -1 : 0),
      deviceIds,
      capabilities: [...new Set(['gpu', ...(get('capabilities', asTexts) ?? [])])],
    };
  });
}
