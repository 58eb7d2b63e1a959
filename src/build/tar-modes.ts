const BLOCK = 512;

/** The same tar with other permission bits on all but its symlinks; every other byte of content and headers stays. */
export async function* withModes(tar: NodeJS.ReadableStream, mode: number): AsyncGenerator<Buffer> {
  let pending: Buffer = Buffer.alloc(0);
  let contentLeft = 0;
  let sizeFromPax: number | undefined;
  let pax: Buffer[] | undefined;
  for await (const chunk of tar) {
    pending = Buffer.concat([pending, Buffer.from(chunk)]);
    for (;;) {
      if (contentLeft > 0) {
        const piece = pending.subarray(0, contentLeft);
        if (piece.length === 0) break;
        contentLeft -= piece.length;
        pending = pending.subarray(piece.length);
        pax?.push(piece);
        yield piece;
        continue;
      }
      if (pax !== undefined) sizeFromPax = paxSize(Buffer.concat(pax)) ?? sizeFromPax;
      pax = undefined;
      if (pending.length < BLOCK) break;
      const header = Buffer.from(pending.subarray(0, BLOCK));
      pending = pending.subarray(BLOCK);
      const type = String.fromCharCode(header[156] ?? 0);
      const isExtension = 'xgLK'.includes(type);
      const size = (isExtension ? undefined : sizeFromPax) ?? octal(header.subarray(124, 136));
      contentLeft = Math.ceil(size / BLOCK) * BLOCK;
      if (isExtension) pax = type === 'x' ? [] : undefined;
      else {
        sizeFromPax = undefined;
        if (type !== '2' && header[0] !== 0) setMode(header, mode);
      }
      yield header;
    }
  }
  if (pending.length > 0) yield pending;
}

function octal(field: Buffer): number {
  return Number.parseInt(field.toString('latin1').replace(/[\0 ]/g, '') || '0', 8);
}

/** The "size" record of a PAX header: "<length> size=<number>\n". */
function paxSize(records: Buffer): number | undefined {
  const [, size] = /(?:^|\n)\d+ size=(\d+)\n/.exec(records.toString('latin1')) ?? [];
  return size === undefined ? undefined : Number(size);
}

function setMode(header: Buffer, mode: number): void {
  header.write(`${mode.toString(8).padStart(7, '0')}\0`, 100, 'latin1');
  header.fill(' ', 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
}
