import { isBerthError, notImplemented } from '../base/index.ts';

/**
 * Calls an extension of berth's API. An engine that has no such endpoint is refused with `lacks`, what it does not do:
 * "this engine keeps no reports". Other errors are thrown as they are.
 */
export async function askExtension<T>(lacks: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (!isBerthError(error, 'not-found') || !error.message.includes('page not found')) throw error;
    throw notImplemented(`${lacks}: it is not berth`, { cause: error });
  }
}
