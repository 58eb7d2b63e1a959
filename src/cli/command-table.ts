import type { Cli } from './cli.ts';
import type { CliCommand } from './grammar.ts';
import { MACHINE_COMMANDS } from './machine-commands.ts';

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

/** Every command but compose, which has a grammar of its own. */
export const COMMANDS: readonly CommandEntry[] = [
  {
    words: ['run'],
    group: 'container',
    summary: 'Create and run a new container from an image',
    load: async () => (await import('./commands/run.ts')).runContainerCommand,
  },
  {
    words: ['exec'],
    group: 'container',
    summary: 'Execute a command in a running container',
    load: async () => (await import('./commands/exec.ts')).execCommand,
  },
  {
    words: ['ps'],
    group: 'container',
    groupWords: ['ls', 'list', 'ps'],
    summary: 'List containers',
    load: async () => (await import('./commands/ps.ts')).psCommand,
  },
  {
    words: ['build'],
    group: 'image',
    summary: 'Build an image from a Dockerfile',
    load: async () => (await import('./commands/build.ts')).buildCommand,
  },
  {
    words: [],
    group: 'builder',
    groupWords: ['build'],
    summary: 'Build an image from a Dockerfile',
    load: async () => (await import('./commands/build.ts')).buildCommand,
  },
  {
    words: ['pull'],
    group: 'image',
    summary: 'Download an image from a registry',
    load: async () => (await import('./commands/pull.ts')).pullCommand,
  },
  {
    words: ['push'],
    group: 'image',
    summary: 'Upload an image to a registry',
    load: async () => (await import('./commands/push.ts')).pushCommand,
  },
  {
    words: ['save'],
    group: 'image',
    summary: 'Save one or more images to a tar archive (streamed to STDOUT by default)',
    load: async () => (await import('./commands/image-archives.ts')).saveCommand,
  },
  {
    words: ['load'],
    group: 'image',
    summary: 'Load an image from a tar archive or STDIN',
    load: async () => (await import('./commands/image-archives.ts')).loadCommand,
  },
  {
    words: ['import'],
    group: 'image',
    summary: 'Import the contents from a tarball to create a filesystem image',
    load: async () => (await import('./commands/image-archives.ts')).importCommand,
  },
  {
    words: ['login'],
    summary: 'Authenticate to a registry',
    load: async () => (await import('./commands/login.ts')).loginCommand,
  },
  {
    words: ['logout'],
    summary: 'Log out from a registry',
    load: async () => (await import('./commands/login.ts')).logoutCommand,
  },
  {
    words: ['images'],
    group: 'image',
    groupWords: ['ls', 'list'],
    summary: 'List images',
    load: async () => (await import('./commands/images.ts')).imagesCommand,
  },
  {
    words: ['rmi'],
    group: 'image',
    groupWords: ['rm', 'remove'],
    summary: 'Remove one or more images',
    load: async () => (await import('./commands/images.ts')).removeImagesCommand,
  },
  {
    words: ['tag'],
    group: 'image',
    summary: 'Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE',
    load: async () => (await import('./commands/images.ts')).tagCommand,
  },
  {
    words: [],
    group: 'image',
    groupWords: ['inspect'],
    summary: 'Display detailed information on one or more images',
    load: async () => (await import('./commands/inspect.ts')).inspectImageCommand,
  },
  {
    words: ['create'],
    group: 'container',
    summary: 'Create a new container',
    load: async () => (await import('./commands/run.ts')).createCommand,
  },
  {
    words: ['start'],
    group: 'container',
    summary: 'Start one or more stopped containers',
    load: async () => (await import('./commands/start.ts')).startCommand,
  },
  {
    words: ['stop'],
    group: 'container',
    summary: 'Stop one or more running containers',
    load: async () => (await import('./commands/lifecycle.ts')).stopCommand,
  },
  {
    words: ['restart'],
    group: 'container',
    summary: 'Restart one or more containers',
    load: async () => (await import('./commands/lifecycle.ts')).restartCommand,
  },
  {
    words: ['pause'],
    group: 'container',
    summary: 'Pause all processes within one or more containers',
    load: async () => (await import('./commands/lifecycle.ts')).pauseCommand,
  },
  {
    words: ['unpause'],
    group: 'container',
    summary: 'Unpause all processes within one or more containers',
    load: async () => (await import('./commands/lifecycle.ts')).unpauseCommand,
  },
  {
    words: ['kill'],
    group: 'container',
    summary: 'Kill one or more running containers',
    load: async () => (await import('./commands/lifecycle.ts')).killCommand,
  },
  {
    words: ['rm'],
    group: 'container',
    groupWords: ['rm', 'remove'],
    summary: 'Remove one or more containers',
    load: async () => (await import('./commands/lifecycle.ts')).removeCommand,
  },
  {
    words: ['rename'],
    group: 'container',
    summary: 'Rename a container',
    load: async () => (await import('./commands/lifecycle.ts')).renameCommand,
  },
  {
    words: ['update'],
    group: 'container',
    summary: 'Update configuration of one or more containers',
    load: async () => (await import('./commands/update.ts')).updateCommand,
  },
  {
    words: ['wait'],
    group: 'container',
    summary: 'Block until one or more containers stop, then print their exit codes',
    load: async () => (await import('./commands/lifecycle.ts')).waitCommand,
  },
  {
    words: [],
    group: 'container',
    groupWords: ['prune'],
    summary: 'Remove all stopped containers',
    load: async () => (await import('./commands/prune.ts')).pruneContainersCommand,
  },
  {
    words: [],
    group: 'image',
    groupWords: ['prune'],
    summary: 'Remove unused images',
    load: async () => (await import('./commands/prune.ts')).pruneImagesCommand,
  },
  {
    words: ['history'],
    group: 'image',
    summary: 'Show the history of an image',
    load: async () => (await import('./commands/history.ts')).historyCommand,
  },
  {
    words: ['search'],
    summary: 'Search Docker Hub, or a registry that can search, for images',
    load: async () => (await import('./commands/search.ts')).searchCommand,
  },
  {
    words: [],
    group: 'builder',
    groupWords: ['prune'],
    summary: 'Remove build cache',
    load: async () => (await import('./commands/prune.ts')).pruneBuildCacheCommand,
  },
  {
    words: ['cp'],
    group: 'container',
    summary: 'Copy files/folders between a container and the local filesystem',
    load: async () => (await import('./commands/cp.ts')).copyCommand,
  },
  {
    words: ['commit'],
    group: 'container',
    summary: "Create a new image from a container's changes",
    load: async () => (await import('./commands/commit.ts')).commitCommand,
  },
  {
    words: ['diff'],
    group: 'container',
    summary: "Inspect changes to files or directories on a container's filesystem",
    load: async () => (await import('./commands/container-files.ts')).diffCommand,
  },
  {
    words: ['export'],
    group: 'container',
    summary: "Export a container's filesystem as a tar archive",
    load: async () => (await import('./commands/container-files.ts')).exportCommand,
  },
  {
    words: ['port'],
    group: 'container',
    summary: 'List port mappings or a specific mapping for the container',
    load: async () => (await import('./commands/port.ts')).portCommand,
  },
  {
    words: ['ports'],
    group: 'container',
    summary: 'Show who reaches each published port, and what stops the others',
    load: async () => (await import('./commands/ports.ts')).portsCommand,
  },
  {
    words: ['top'],
    group: 'container',
    summary: 'Display the running processes of a container',
    load: async () => (await import('./commands/top.ts')).topCommand,
  },
  {
    words: ['stats'],
    group: 'container',
    summary: "Display a live stream of containers' resource usage",
    load: async () => (await import('./commands/stats.ts')).statsCommand,
  },
  {
    words: ['why'],
    group: 'container',
    summary: 'Explain why containers ended or did not start',
    load: async () => (await import('./commands/why.ts')).whyCommand,
  },
  {
    words: ['logs'],
    group: 'container',
    summary: 'Fetch the logs of a container',
    load: async () => (await import('./commands/logs.ts')).logsCommand,
  },
  {
    words: ['attach'],
    group: 'container',
    summary: 'Attach local standard input, output, and error streams to a running container',
    load: async () => (await import('./commands/attach.ts')).attachCommand,
  },
  {
    words: ['inspect'],
    summary: 'Return low-level information on containers, images, networks and volumes',
    load: async () => (await import('./commands/inspect.ts')).inspectCommand,
  },
  {
    words: [],
    group: 'container',
    groupWords: ['inspect'],
    summary: 'Display detailed information on one or more containers',
    load: async () => (await import('./commands/inspect.ts')).inspectContainerCommand,
  },
  {
    words: [],
    group: 'network',
    groupWords: ['connect'],
    summary: 'Connect a container to a network',
    load: async () => (await import('./commands/networks.ts')).connectCommand,
  },
  {
    words: [],
    group: 'network',
    groupWords: ['create'],
    summary: 'Create a network',
    load: async () => (await import('./commands/networks.ts')).createNetworkCommand,
  },
  {
    words: [],
    group: 'network',
    groupWords: ['disconnect'],
    summary: 'Disconnect a container from a network',
    load: async () => (await import('./commands/networks.ts')).disconnectCommand,
  },
  {
    words: [],
    group: 'network',
    groupWords: ['inspect'],
    summary: 'Display detailed information on one or more networks',
    load: async () => (await import('./commands/inspect.ts')).inspectNetworkCommand,
  },
  {
    words: [],
    group: 'network',
    groupWords: ['ls', 'list'],
    summary: 'List networks',
    load: async () => (await import('./commands/networks.ts')).listNetworksCommand,
  },
  {
    words: [],
    group: 'network',
    groupWords: ['prune'],
    summary: 'Remove all unused networks',
    load: async () => (await import('./commands/prune.ts')).pruneNetworksCommand,
  },
  {
    words: [],
    group: 'network',
    groupWords: ['rm', 'remove'],
    summary: 'Remove one or more networks',
    load: async () => (await import('./commands/networks.ts')).removeNetworksCommand,
  },
  {
    words: [],
    group: 'volume',
    groupWords: ['create'],
    summary: 'Create a volume',
    load: async () => (await import('./commands/volumes.ts')).createVolumeCommand,
  },
  {
    words: [],
    group: 'volume',
    groupWords: ['inspect'],
    summary: 'Display detailed information on one or more volumes',
    load: async () => (await import('./commands/inspect.ts')).inspectVolumeCommand,
  },
  {
    words: [],
    group: 'volume',
    groupWords: ['ls', 'list'],
    summary: 'List volumes',
    load: async () => (await import('./commands/volumes.ts')).listVolumesCommand,
  },
  {
    words: [],
    group: 'volume',
    groupWords: ['prune'],
    summary: 'Remove unused local volumes',
    load: async () => (await import('./commands/prune.ts')).pruneVolumesCommand,
  },
  {
    words: [],
    group: 'volume',
    groupWords: ['rm', 'remove'],
    summary: 'Remove one or more volumes',
    load: async () => (await import('./commands/volumes.ts')).removeVolumesCommand,
  },
  {
    words: [],
    group: 'manifest',
    groupWords: ['annotate'],
    summary: 'Add additional information to a local image manifest',
    load: async () => (await import('./commands/manifest.ts')).annotateManifestCommand,
  },
  {
    words: [],
    group: 'manifest',
    groupWords: ['create'],
    summary: 'Create a local manifest list for annotating and pushing to a registry',
    load: async () => (await import('./commands/manifest.ts')).createManifestCommand,
  },
  {
    words: [],
    group: 'manifest',
    groupWords: ['inspect'],
    summary: 'Display an image manifest, or manifest list',
    load: async () => (await import('./commands/manifest.ts')).inspectManifestCommand,
  },
  {
    words: [],
    group: 'manifest',
    groupWords: ['push'],
    summary: 'Push a manifest list to a repository',
    load: async () => (await import('./commands/manifest.ts')).pushManifestCommand,
  },
  {
    words: [],
    group: 'manifest',
    groupWords: ['rm'],
    summary: 'Delete one or more manifest lists from local storage',
    load: async () => (await import('./commands/manifest.ts')).removeManifestCommand,
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
