import { posix } from 'node:path';

const parts = ['store', 'registry', 'network', 'runtime', 'vm'];

/** Which folders of src/ each may import: docs/ARCHITECTURE.md, "The source tree". */
const allowed: Readonly<Record<string, readonly string[]>> = {
  base: [],
  ...Object.fromEntries(parts.map((part) => [part, ['base']])),
  build: [...parts, 'base'],
  engine: ['build', ...parts, 'base'],
  server: ['engine', 'build', ...parts, 'base'],
  daemon: ['server', 'engine', 'build', ...parts, 'base'],
  client: ['base'],
  compose: ['client', 'base'],
  cli: ['compose', 'client', 'registry', 'base'], // registry: `manifest` asks registries itself, as Docker's does
};

/** The files that other folders may import. */
const publicFaces = ['index.ts', 'contract.ts'];

export interface ImportViolation {
  readonly line: number;
  readonly reason: string;
}

/** The imports of one file below src/ (`path` as in `src/store/layers.ts`) that point the wrong way or past a public face. */
export function importViolations(path: string, source: string): ImportViolation[] {
  const from = folderOf(path);
  if (from === undefined) return [];
  const directions = allowed[from];
  if (directions === undefined) {
    return [
      { line: 1, reason: `src/${from} has no place in the import direction: give it one in ${thisFile}` },
    ];
  }
  return relativeImports(source).flatMap(({ line, specifier }): ImportViolation[] => {
    const target = posix.join(posix.dirname(path), specifier);
    const to = folderOf(target);
    if (to === from || to === undefined) return [];
    if (!directions.includes(to)) return [{ line, reason: `${from} may not import ${to} (${specifier})` }];
    if (publicFaces.some((face) => target === `src/${to}/${face}`)) return [];
    return [
      { line, reason: `${specifier} is inside src/${to}: import src/${to}/index.ts or its contract.ts` },
    ];
  });
}

const thisFile = 'scripts/import-direction.ts';

function folderOf(path: string): string | undefined {
  return /^src\/([^/]+)\//.exec(path)?.[1];
}

function relativeImports(source: string): { line: number; specifier: string }[] {
  const statements =
    /(?:^|[\s;])(?:import|export)\s[^'"`;]*?from\s*['"](\.[^'"]+)['"]|\bimport\s*\(?\s*['"](\.[^'"]+)['"]/g;
  return [...source.matchAll(statements)].map((match) => ({
    line: source.slice(0, match.index + match[0].length).split('\n').length,
    specifier: match[1] ?? match[2] ?? '',
  }));
}
