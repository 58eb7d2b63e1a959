import { asBytes, fieldsOf } from './fields.ts';
import { BUILD, checkKeys } from './known-keys.ts';
import { asFlag, asList, asMap, asPairs, asText, asTexts, type Located, missingAt } from './located-yaml.ts';
import type { ServiceBuild } from './model.ts';
import type { ServiceContext } from './service.ts';
import { hostPath } from './short-forms.ts';

/**
 * Reads `build`: a folder, or a mapping. An argument without a value takes the caller's, if there is one. A context that
 * is a URL is refused by name.
 */
export function parseBuild(node: Located, { directory, variables }: ServiceContext): ServiceBuild {
  const map = node.kind === 'scalar' ? undefined : asMap(node);
  if (map !== undefined) checkKeys(map, BUILD);
  const get = fieldsOf(map);
  const contextNode = map?.entries.get('context') ?? (node.kind === 'scalar' ? node : undefined);
  const context = contextNode === undefined ? '.' : asText(contextNode);
  if (/^(?:[a-z+]+:\/\/|git@|github\.com\/)/.test(context)) {
    throw missingAt(contextNode ?? node, `a build context that is a URL is not there yet: ${context}`);
  }
  return {
    context: hostPath(context, directory),
    dockerfile: get('dockerfile', asText) ?? 'Dockerfile',
    args: new Map(
      [...(get('args', asPairs) ?? [])].map(([name, value]) => [name, value ?? variables(name) ?? null]),
    ),
    target: get('target', asText),
    labels: get('labels', asPairs) ?? new Map(),
    tags: get('tags', asTexts) ?? [],
    noCache: get('no_cache', asFlag) ?? false,
    pull: get('pull', asFlag) ?? false,
    network: get('network', asText),
    extraHosts: get('extra_hosts', parseExtraHosts) ?? [],
    cacheFrom: get('cache_from', asTexts) ?? [],
    shmSize: get('shm_size', asBytes),
    isolation: get('isolation', asText),
  };
}

/** `name:address` texts from a list of "name=address" or "name:address", or from a mapping. */
export function parseExtraHosts(node: Located): string[] {
  if (node.kind !== 'list') return [...asPairs(node)].map(([name, address]) => `${name}:${address ?? ''}`);
  return asList(node).map((item) => asText(item).replace('=', ':'));
}
