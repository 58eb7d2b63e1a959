import { invalid } from '../base/index.ts';

/** The newest version of the Engine API that berth speaks, and the oldest it answers. */
export const API_VERSION = '1.51';
export const MIN_API_VERSION = '1.24';

const PREFIX = /^\/v(\d+)\.(\d+)(?=\/|$)/;

/** The path without its version prefix; a path without one means the newest version. */
export function stripVersion(url: string): string {
  return url.replace(PREFIX, '') || '/';
}

/** Throws `invalid` in Docker's words for a version outside the supported range. */
export function checkVersion(url: string): void {
  const match = PREFIX.exec(url);
  if (match === null) return;
  const wanted = `${match[1]}.${match[2]}`;
  if (compare(wanted, API_VERSION) > 0) {
    throw invalid(`client version ${wanted} is too new. Maximum supported API version is ${API_VERSION}`);
  }
  if (compare(wanted, MIN_API_VERSION) < 0) {
    throw invalid(
      `client version ${wanted} is too old. Minimum supported API version is ${MIN_API_VERSION}, please upgrade your client to a newer version`,
    );
  }
}

function compare(a: string, b: string): number {
  const [majorA = 0, minorA = 0] = a.split('.').map(Number);
  const [majorB = 0, minorB = 0] = b.split('.').map(Number);
  return majorA - majorB || minorA - minorB;
}
