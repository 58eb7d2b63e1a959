import { accessSync, constants, realpathSync } from 'node:fs';

/** The first docker on the PATH that is Docker's own and not berth by that name. */
export function findDocker(): string | undefined {
  return (process.env.PATH ?? '')
    .split(':')
    .map((folder) => `${folder}/docker`)
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return !realpathSync(path).endsWith('/bin/berth');
      } catch {
        return false;
      }
    });
}
