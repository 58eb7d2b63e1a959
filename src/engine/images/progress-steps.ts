/** Progress lines cost more than the bytes they tell of when there is one per chunk. */
export function everyMegabyte(report: (bytes: number) => void): (bytes: number) => void {
  let next = 0;
  return (bytes) => {
    if (bytes < next) return;
    next = bytes + 1_000_000;
    report(bytes);
  };
}
