import type { CommandEntry } from './command-table.ts';

/** The commands about networks and volumes. */
export const NETWORK_AND_VOLUME_COMMANDS: readonly CommandEntry[] = [
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
];
