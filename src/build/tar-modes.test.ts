import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { extract, pack } from 'tar-stream';
import { expect, test } from 'vitest';
import { withModes } from './tar-modes.ts';

test('a tar gets other modes and keeps all else, however it is cut into chunks', async () => {
  const archive = pack();
  const long = `${'long/'.repeat(60)}name`; // needs a PAX header
  archive.entry({ name: 'folder', type: 'directory', mode: 0o700 });
  archive.entry({ name: long, mode: 0o600 }, Buffer.alloc(2000, 'content '));
  archive.entry({ name: 'link', type: 'symlink', linkname: 'x', mode: 0o777 });
  archive.finalize();
  const tar = await buffer(Readable.from(archive));
  for (const size of [1, 100, 512, 1000, tar.length]) {
    const chunks = Array.from({ length: Math.ceil(tar.length / size) }, (_, at) =>
      tar.subarray(at * size, at * size + size),
    );
    const reader = extract();
    reader.end(await buffer(Readable.from(withModes(Readable.from(chunks), 0o644))));
    const found: [string, number | undefined, number][] = [];
    for await (const member of reader) {
      found.push([member.header.name, member.header.mode, (await buffer(Readable.from(member))).length]);
    }
    expect(found).toEqual([
      ['folder', 0o644, 0],
      [long, 0o644, 2000],
      ['link', 0o777, 0],
    ]);
  }
});
