import { existsSync, realpathSync } from 'node:fs';
import type { Cli } from '../cli.ts';
import { DEFAULT_SOCKET } from '../connection.ts';
import { CliCommand } from '../grammar.ts';
import { projectRoot } from '../project-root.ts';

/** `eval "$(berth env)"` makes docker and docker-compose in this shell mean berth. */
export function envCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(
    path,
    'Print the shell lines that make docker and docker-compose mean berth',
  );
  command.usage(' ').action(() => {
    process.stdout.write(shellLines(cli.env, projectRoot(cli.env)));
  });
  return command;
}

/** DOCKER_HOST, and a PATH with our own docker and docker-compose where the machine lacks one of them. */
export function shellLines(env: NodeJS.ProcessEnv, root: string): string {
  const lines = [`export DOCKER_HOST=${quote(env.BERTH_HOST || `unix://${DEFAULT_SOCKET}`)}`];
  const folders = (env.PATH ?? '').split(':').filter((folder) => folder !== '');
  const ours = realpathSync(`${root}/bin/as-docker`);
  const missing = ['docker', 'docker-compose'].some(
    (name) => !folders.some((folder) => folder !== ours && existsSync(`${folder}/${name}`)),
  );
  // At the end: what the machine has itself comes first.
  if (missing && !folders.includes(ours)) lines.push(`export PATH="$PATH":${quote(ours)}`);
  return `${lines.join('\n')}\n`;
}

/** For a POSIX shell. */
function quote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
