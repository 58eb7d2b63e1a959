import fc from 'fast-check';
import type { TestEntry } from './images.ts';

/** A layer's own folder. */
export const root: TestEntry = {
  header: { name: './', type: 'directory', mode: 0o755, mtime: new Date(1e12) },
};

export function directory(name: string, mode = 0o755): TestEntry {
  return { header: { name: `${name}/`, type: 'directory', mode, mtime: new Date(1.5e12) } };
}

export function file(name: string, content: string | Buffer = name, header: object = {}): TestEntry {
  return { header: { name, mode: 0o644, mtime: new Date(1.6e12), ...header }, content };
}

/** Folders first; then files, links and repeated entries in any order, over each other. */
export function entriesArbitrary(): fc.Arbitrary<TestEntry[]> {
  const name = fc.constantFrom('a', 'b', 'c', 'é', 'a.b', 'x'.repeat(120));
  const path = fc.array(name, { minLength: 1, maxLength: 2 }).map((names) => names.join('/'));
  const time = fc.date({ min: new Date(0), max: new Date(2 ** 31 * 1000 - 1000), noInvalidDate: true });
  const common = fc.record({
    mode: fc.integer({ min: 0o400, max: 0o7777 }),
    uid: fc.nat(200_000),
    gid: fc.nat(200_000),
    mtime: time,
  });
  const pax = fc.record(
    {
      mtime: fc.constantFrom('1700000000.000000001', '1.5', '-1.25'),
      'SCHILY.xattr.user.note': fc.string({ maxLength: 40, unit: 'grapheme-ascii' }),
      'SCHILY.xattr.trusted.x': fc.constantFrom('', 'y', '=\n='),
    },
    { requiredKeys: [] },
  );
  const size = fc.constantFrom(0, 1, 511, 512, 4095, 4096, 4097, 70_000);
  const entry = fc.oneof(
    {
      weight: 4,
      arbitrary: fc
        .tuple(path, common, size, pax)
        .map(([p, c, n, records]) => file(p, Buffer.alloc(n, p), { ...c, pax: records })),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(path, common).map(([p, c]): TestEntry => {
        return { header: { ...c, name: p, type: 'symlink', linkname: 'nowhere' } };
      }),
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(
          path,
          common,
          fc.constantFrom('fifo', 'character-device', 'block-device'),
          fc.nat(4095),
          fc.nat(0xfffff),
        )
        .map(([p, c, type, devmajor, devminor]): TestEntry => {
          return { header: { ...c, name: p, type, devmajor, devminor } };
        }),
    },
    {
      weight: 2,
      arbitrary: fc.tuple(path, common).map(([p, c]): TestEntry => {
        return { header: { ...c, name: `${p}/`, type: 'directory' } };
      }),
    },
  );
  const link = fc.tuple(path, path).map(([p, target]): TestEntry => {
    return { header: { name: p, type: 'link', linkname: target } };
  });
  const any = fc.oneof({ weight: 4, arbitrary: entry }, { weight: 1, arbitrary: link });
  return fc.array(any, { maxLength: 30 }).map(withExplicitFolders);
}

/** Drops what GNU tar cannot do: entries below what is not a folder at that time, files over folders that are not empty. Every folder gets an entry. */
function withExplicitFolders(entries: readonly TestEntry[]): TestEntry[] {
  const kinds = new Map<string, string>();
  const kept: TestEntry[] = [root];
  for (const entry of entries) {
    const path = entry.header.name.replace(/\/$/, '');
    const parent = path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '';
    if (parent !== '' && kinds.get(parent) === undefined) {
      kinds.set(parent, 'directory');
      kept.push(directory(parent));
    }
    if (parent !== '' && kinds.get(parent) !== 'directory') continue;
    const kind = entry.header.type ?? 'file';
    const { linkname } = entry.header;
    if (kind === 'link' && (linkname === path || kinds.get(linkname ?? '') !== 'file')) continue;
    const isUsed = [...kinds.keys()].some((known) => known.startsWith(`${path}/`));
    if (kind !== 'directory' && isUsed) continue;
    kinds.set(path, kind === 'link' ? 'file' : kind);
    kept.push(entry);
  }
  return [
    ...kept,
    ...[...kinds].filter(([, kind]) => kind === 'directory').map(([path]) => directory(path)),
    root,
  ];
}
