import { notImplemented } from '../../base/index.ts';
import type { CliCommand } from '../grammar.ts';
import { columns, formatUsage } from '../usage.ts';
import type { ComposeContext } from './context.ts';

/** Builds a command; `path` is how it was called, for example "docker compose up". */
export type ComposeCommandBuilder = (context: ComposeContext, path: string) => CliCommand;

/** A command of compose and where its code is, which is loaded when it is called. */
export interface ComposeCommandEntry {
  readonly word: string;
  readonly summary: string;
  readonly load: () => Promise<ComposeCommandBuilder>;
}

const COMMANDS: readonly ComposeCommandEntry[] = [
  {
    word: 'build',
    summary: 'Build or rebuild services',
    load: async () => (await import('./images.ts')).buildCommand,
  },
  {
    word: 'config',
    summary: 'Parse, resolve and render compose file in canonical format',
    load: async () => (await import('./config.ts')).configCommand,
  },
  {
    word: 'down',
    summary: 'Stop and remove containers, networks',
    load: async () => (await import('./down.ts')).downCommand,
  },
  {
    word: 'exec',
    summary: 'Execute a command in a running container',
    load: async () => (await import('./exec.ts')).execCommand,
  },
  {
    word: 'kill',
    summary: 'Force stop service containers',
    load: async () => (await import('./lifecycle.ts')).killCommand,
  },
  {
    word: 'logs',
    summary: 'View output from containers',
    load: async () => (await import('./logs.ts')).logsCommand,
  },
  {
    word: 'pause',
    summary: 'Pause services',
    load: async () => (await import('./lifecycle.ts')).pauseCommand,
  },
  {
    word: 'ps',
    summary: 'List containers',
    load: async () => (await import('./ps.ts')).psCommand,
  },
  {
    word: 'pull',
    summary: 'Pull service images',
    load: async () => (await import('./images.ts')).pullCommand,
  },
  {
    word: 'restart',
    summary: 'Restart service containers',
    load: async () => (await import('./lifecycle.ts')).restartCommand,
  },
  {
    word: 'rm',
    summary: 'Removes stopped service containers',
    load: async () => (await import('./lifecycle.ts')).removeCommand,
  },
  {
    word: 'run',
    summary: 'Run a one-off command on a service',
    load: async () => (await import('./run.ts')).runServiceCommand,
  },
  {
    word: 'start',
    summary: 'Start services',
    load: async () => (await import('./lifecycle.ts')).startCommand,
  },
  {
    word: 'stop',
    summary: 'Stop services',
    load: async () => (await import('./lifecycle.ts')).stopCommand,
  },
  {
    word: 'unpause',
    summary: 'Unpause services',
    load: async () => (await import('./lifecycle.ts')).unpauseCommand,
  },
  {
    word: 'up',
    summary: 'Create and start containers',
    load: async () => (await import('./up.ts')).upCommand,
  },
  {
    word: 'version',
    summary: 'Show the version information',
    load: async () => (await import('./version.ts')).versionCommand,
  },
];

/** Commands of Docker Compose that berth does not have yet. */
const MISSING = (
  'alpha attach bridge commit convert cp create events export images ls port publish push ' +
  'scale stats top volumes wait watch'
).split(' ');

export function findComposeCommand(word: string): ComposeCommandEntry | undefined {
  return COMMANDS.find((entry) => entry.word === word);
}

/** The text for a word that is no command. Throws `not-implemented` for one that Docker Compose has. */
export function refuseComposeCommand(path: string, word: string): { text: string } {
  if (MISSING.includes(word)) throw notImplemented(`${path} ${word} is not implemented`);
  return {
    text: `unknown docker command: "${path.replace(/^\S+ /, '')} ${word}"\n\nRun '${path} --help' for more information\n`,
  };
}

/** The overview of all commands. */
export function composeHelp(path: string, grammar: CliCommand): string {
  const commands = COMMANDS.map(({ word, summary }) => [word, summary] as const);
  return [
    formatUsage(grammar).trimEnd(),
    '',
    'Commands:',
    ...columns(commands),
    '',
    `Run '${path} COMMAND --help' for more information on a command.`,
    '',
  ].join('\n');
}
