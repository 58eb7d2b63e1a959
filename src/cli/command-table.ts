import type { Cli } from './cli.ts';
import { CONTAINER_COMMANDS } from './container-commands.ts';
import type { CliCommand } from './grammar.ts';
import { IMAGE_COMMANDS } from './image-commands.ts';
import { MACHINE_COMMANDS } from './machine-commands.ts';
import { NETWORK_AND_VOLUME_COMMANDS } from './network-volume-commands.ts';

/** Builds a command; `path` is how it was called, for example "docker container ls". */
export type CommandBuilder = (cli: Cli, path: string) => CliCommand;

/** A command: its words, at the top level and in its group, and where its code is. Nothing is loaded before it is called. */
export interface CommandEntry {
  /** The words at the top level; the first one is shown. None: only in the group. */
  readonly words: readonly string[];
  readonly group?: CommandGroup;
  /** The words in the group, when they differ; one of two words is called by both. */
  readonly groupWords?: readonly string[];
  readonly summary: string;
  readonly load: () => Promise<CommandBuilder>;
}

export type CommandGroup =
  | 'builder'
  | 'container'
  | 'image'
  | 'manifest'
  | 'network'
  | 'system'
  | 'vm'
  | 'volume';

/** The management commands and what they are about. */
export const GROUPS: Readonly<Record<CommandGroup, string>> = {
  builder: 'Manage builds',
  container: 'Manage containers',
  image: 'Manage images',
  manifest: 'Manage manifest lists',
  network: 'Manage networks',
  system: 'Manage the engine',
  vm: 'Manage machines: whole computers with their own operating systems',
  volume: 'Manage volumes',
};

/** The commands about the engine itself, and what is about everything in it. */
const SYSTEM_COMMANDS: readonly CommandEntry[] = [
  {
    words: ['inspect'],
    summary: 'Return low-level information on containers, images, networks and volumes',
    load: async () => (await import('./commands/inspect.ts')).inspectCommand,
  },
  {
    words: [],
    group: 'system',
    groupWords: ['df'],
    summary: 'Show disk usage',
    load: async () => (await import('./commands/disk-usage.ts')).diskUsageCommand,
  },
  {
    words: [],
    group: 'system',
    groupWords: ['prune'],
    summary: 'Remove unused data',
    load: async () => (await import('./commands/prune.ts')).pruneSystemCommand,
  },
  {
    words: [],
    group: 'system',
    groupWords: ['check'],
    summary: 'Check all images for damage, and repair it',
    load: async () => (await import('./commands/check.ts')).checkCommand,
  },
  {
    words: ['events'],
    group: 'system',
    summary: 'Get real time events from the server',
    load: async () => (await import('./commands/events.ts')).eventsCommand,
  },
  {
    words: ['info'],
    group: 'system',
    summary: 'Display system-wide information',
    load: async () => (await import('./commands/info.ts')).infoCommand,
  },
  {
    words: ['version'],
    summary: 'Show the version information of client and engine',
    load: async () => (await import('./commands/version.ts')).versionCommand,
  },
  {
    words: ['env'],
    summary: 'Print the shell lines that make docker and docker-compose mean berth',
    load: async () => (await import('./commands/env.ts')).envCommand,
  },
];

/** Every command but compose, which has a grammar of its own. */
export const COMMANDS: readonly CommandEntry[] = [
  ...CONTAINER_COMMANDS,
  ...IMAGE_COMMANDS,
  ...NETWORK_AND_VOLUME_COMMANDS,
  ...SYSTEM_COMMANDS,
  ...MACHINE_COMMANDS,
];

/** Docker's commands that berth does not have, to be refused as such and not as typing errors. */
const MISSING: ReadonlySet<string> = new Set(
  `bake buildx checkpoint config context node
  plugin secret service stack swarm trust`.split(/\s+/),
);

/** Whether docker has this command, at the top level or in a group, and berth has not. */
export function isMissingCommand(word: string): boolean {
  return MISSING.has(word);
}

/** The entry that a word at the top level names. */
export function findCommand(word: string): CommandEntry | undefined {
  return COMMANDS.find((entry) => entry.words.includes(word));
}

/** The entry that a word in a group names. */
export function findInGroup(group: CommandGroup, word: string): CommandEntry | undefined {
  return COMMANDS.find((entry) => entry.group === group && wordsInGroup(entry).includes(word));
}

export function wordsInGroup(entry: CommandEntry): readonly string[] {
  return entry.groupWords ?? entry.words;
}

export function isGroup(word: string): word is CommandGroup {
  return Object.hasOwn(GROUPS, word);
}
