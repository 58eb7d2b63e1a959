/** Progress lines cost more than the bytes they tell of when there is one per chunk. */
export function everyMegabyte(report: (bytes: number) => void): (bytes: number) => void {
  let next = 0;
  return (bytes) => {
    if (bytes < next) return;
    next = bytes + 1_000_000;
    report(bytes);
  };
}

/** The chunks as they are; tells how many bytes have passed. */
export async function* counted(
  chunks: AsyncIterable<Buffer>,
  onProgress: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const chunk of chunks) {
    yield chunk;
    bytes += chunk.length;
    onProgress(bytes);
  }
}
