import { asList, asMap, asPairs, asText, type Located, type LocatedMap, wrongAt } from './located-yaml.ts';

type Merger = (base: Located, over: Located, keys: readonly string[]) => Located;

/**
 * What does not merge by its YAML type alone. "*" is any name. Rules: Compose Spec, "Merge and override".
 */
const SPECIAL: readonly (readonly [pattern: string, merger: Merger])[] = [
  ['services.*.command', (_base, over) => over],
  ['services.*.entrypoint', (_base, over) => over],
  ['services.*.healthcheck.test', (_base, over) => over],
  ['services.*.environment', mergePairs],
  ['services.*.labels', mergePairs],
  ['services.*.sysctls', mergePairs],
  ['services.*.build', (base, over, keys) => mergeMaps(buildMap(base), buildMap(over), keys)],
  ['services.*.build.args', mergePairs],
  ['services.*.build.labels', mergePairs],
  ['services.*.depends_on', (base, over, keys) => mergeMaps(namesMap(base), namesMap(over), keys)],
  ['services.*.networks', (base, over, keys) => mergeMaps(namesMap(base), namesMap(over), keys)],
  ['services.*.logging', mergeLogging],
  ['services.*.ulimits.*', (_base, over) => over],
  ['services.*.dns', appendTexts],
  ['services.*.dns_search', appendTexts],
  ['services.*.dns_opt', appendTexts],
  ['services.*.env_file', appendTexts],
  ['services.*.label_file', appendTexts],
  ['services.*.extra_hosts', (base, over) => appendItems(hostList(base), hostList(over))],
  ['services.*.tmpfs', appendTexts],
  ['networks.*.labels', mergePairs],
  ['networks.*.ipam.config', (_base, over) => over],
  ['volumes.*.labels', mergePairs],
];

/** Lays a file over another: mappings are joined, lists appended, scalars replaced. Throws `invalid` where kinds differ. */
export function mergeFiles(base: Located, over: Located): Located {
  return mergeNode(base, over, []);
}

function mergeNode(base: Located, over: Located, keys: readonly string[]): Located {
  if (isNull(over)) return base;
  if (isNull(base)) return over;
  const special = SPECIAL.find(([pattern]) => matches(pattern.split('.'), keys));
  if (special !== undefined) return special[1](base, over, keys);
  if (base.kind !== over.kind) {
    throw wrongAt(over, `${over.path}: a ${over.kind} cannot override the ${base.kind} of ${base.file}`);
  }
  if (base.kind === 'map' && over.kind === 'map') return mergeMaps(base, over, keys);
  if (base.kind === 'list' && over.kind === 'list') return appendItems(base, over);
  return over;
}

function mergeMaps(base: LocatedMap, over: LocatedMap, path: readonly string[]): LocatedMap {
  const entries = new Map(base.entries);
  for (const [name, value] of over.entries) {
    const known = entries.get(name);
    entries.set(name, known === undefined ? value : mergeNode(known, value, [...path, name]));
  }
  return { ...over, entries, keys: new Map([...base.keys, ...over.keys]) };
}

/** The options of two loggings belong together only when their drivers are the same. */
function mergeLogging(base: Located, over: Located, keys: readonly string[]): Located {
  const [baseMap, overMap] = [asMap(base), asMap(over)];
  const [before, after] = [baseMap.entries.get('driver'), overMap.entries.get('driver')];
  const same = before === undefined || after === undefined || asText(before) === asText(after);
  return same ? mergeMaps(baseMap, overMap, keys) : over;
}

function mergePairs(base: Located, over: Located): LocatedMap {
  const { file, line, column, path } = over;
  const entries = new Map<string, Located>();
  for (const [name, value] of [...asPairs(base), ...asPairs(over)]) {
    entries.set(name, { file, line, column, path: `${path}.${name}`, kind: 'scalar', value });
  }
  return { file, line, column, path, kind: 'map', entries, keys: new Map() };
}

function appendTexts(base: Located, over: Located): Located {
  return appendItems(listOf(base), listOf(over));
}

/** Items that read the same are there once. */
function appendItems(base: Located, over: Located): Located {
  const items = new Map([...asList(base), ...asList(over)].map((item) => [textOf(item), item]));
  return { ...over, kind: 'list', items: [...items.values()] };
}

function listOf(node: Located): Located {
  return node.kind === 'list' ? node : { ...node, kind: 'list', items: [node] };
}

/** `a: address` as the list item `a=address`. */
function hostList(node: Located): Located {
  if (node.kind === 'list') return node;
  const { file, line, column, path } = node;
  const items = [...asPairs(node)].map(
    ([name, address]): Located => ({
      ...{ file, line, column, path },
      kind: 'scalar',
      value: `${name}=${address ?? ''}`,
    }),
  );
  return { file, line, column, path, kind: 'list', items };
}

/** The short form of a build is its context. */
function buildMap(node: Located): LocatedMap {
  if (node.kind !== 'scalar') return asMap(node);
  const { file, line, column, path } = node;
  return { file, line, column, path, kind: 'map', entries: new Map([['context', node]]), keys: new Map() };
}

/** A list of names as a mapping in which no name says more. */
function namesMap(node: Located): LocatedMap {
  if (node.kind === 'map') return node;
  const { file, line, column, path } = node;
  const entries = new Map<string, Located>();
  for (const item of asList(node)) entries.set(asText(item), { ...item, kind: 'scalar', value: null });
  return { file, line, column, path, kind: 'map', entries, keys: new Map() };
}

function matches(pattern: readonly string[], keys: readonly string[]): boolean {
  return (
    pattern.length === keys.length && pattern.every((part, index) => part === '*' || part === keys[index])
  );
}

function isNull(node: Located): boolean {
  return node.kind === 'scalar' && node.value === null;
}

function textOf(node: Located): string {
  switch (node.kind) {
    case 'scalar':
      return JSON.stringify(node.value);
    case 'list':
      return `[${node.items.map(textOf).join()}]`;
    case 'map':
      return `{${[...node.entries].map(([name, value]) => `${name}:${textOf(value)}`).join()}}`;
  }
}
