import { asPairs, type Located, type LocatedMap } from './located-yaml.ts';

/** Keys whose lists are sets of KEY=value: a later file's value wins (Compose Spec, "Merge and override"). */
const PAIRS = ['environment', 'labels', 'args', 'sysctls', 'driver_opts', 'extra_hosts'];

/** Keys that a later file replaces as a whole. */
const REPLACED = ['command', 'entrypoint'];

/** A file laid over another: mappings are joined, lists appended, scalars replaced. */
export function mergeFiles(base: Located, over: Located): Located {
  return mergeNode('', base, over);
}

function mergeNode(key: string, base: Located, over: Located): Located {
  if (REPLACED.includes(key)) return over;
  if (PAIRS.includes(key)) return mergePairs(base, over);
  if (base.kind === 'map' && over.kind === 'map') return mergeMaps(base, over);
  if (base.kind === 'list' && over.kind === 'list') {
    const known = new Set(over.items.map(textOf));
    return { ...over, items: [...base.items.filter((item) => !known.has(textOf(item))), ...over.items] };
  }
  return over;
}

function mergeMaps(base: LocatedMap, over: LocatedMap): LocatedMap {
  const entries = new Map(base.entries);
  for (const [name, value] of over.entries) {
    const known = entries.get(name);
    entries.set(name, known === undefined ? value : mergeNode(name, known, value));
  }
  return { ...over, entries };
}

function mergePairs(base: Located, over: Located): LocatedMap {
  const { file, line, column, path } = over;
  const entries = new Map<string, Located>();
  for (const [name, value] of [...asPairs(base), ...asPairs(over)]) {
    entries.set(name, { file, line, column, path: `${path}.${name}`, kind: 'scalar', value });
  }
  return { file, line, column, path, kind: 'map', entries };
}

/** Two list items are the same when they read the same. */
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
