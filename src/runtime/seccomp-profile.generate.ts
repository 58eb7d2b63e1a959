/**
 * Writes seccomp-profile.json from the default.json of the Go module github.com/moby/profiles/seccomp (Apache-2.0),
 * Docker's default profile. `go mod download -json github.com/moby/profiles/seccomp@v0.2.3` prints the module's folder.
 *
 *     node src/runtime/seccomp-profile.generate.ts <folder>/default.json
 */
import { readFile, writeFile } from 'node:fs/promises';

const [source] = process.argv.slice(2);
if (source === undefined) throw new Error('the path of default.json is missing');

const profile: unknown = JSON.parse(await readFile(source, 'utf8'), (key, value: unknown) =>
  key === 'names' && Array.isArray(value) ? value.toSorted() : value,
);
await writeFile(new URL('seccomp-profile.json', import.meta.url), `${JSON.stringify(profile, null, 2)}\n`);
