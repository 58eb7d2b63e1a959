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

/** Where the docker CLI looks for its plugins, a user's own first. */
const PLUGIN_FOLDERS = [
  `${process.env.HOME ?? '/root'}/.docker/cli-plugins`,
  ...['/usr/local/lib', '/usr/local/libexec', '/usr/lib', '/usr/libexec'].map(
    (folder) => `${folder}/docker/cli-plugins`,
  ),
];

/** A plugin of the docker CLI, like "buildx". */
export function findDockerPlugin(name: string): string | undefined {
  return PLUGIN_FOLDERS.map((folder) => `${folder}/docker-${name}`).find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
