import type { CrashPoint } from '../../src/base/index.ts';

/** Something that users do with images, and where it can be cut off. `DOCKERFILES` stands for a build context, `ARCHIVE` for a file. */
export interface Operation {
  readonly before: readonly (readonly string[])[];
  readonly commands: readonly (readonly string[])[];
  readonly points: readonly CrashPoint[];
}

/** Two stages, so that the one beside the target is kept for the cache; layers by RUN and by COPY. */
export const DOCKERFILE = `FROM busybox AS side
RUN echo side > /side
FROM busybox
COPY --from=side /side /side
RUN echo new > /new && rm /bin/wget
`;

const PULL = ['pull', '-q', 'busybox'];
const STORED: readonly CrashPoint[] = ['blob.stored', 'layer.renamed', 'layer.recorded'];

export const OPERATIONS: Readonly<Record<string, Operation>> = {
  pull: { before: [], commands: [PULL], points: [...STORED, 'pull.layers', 'pull.recorded'] },
  build: {
    before: [PULL],
    commands: [['build', '-q', '-t', 'built', 'DOCKERFILES']],
    points: [...STORED, 'build.layer', 'build.kept', 'build.recorded'],
  },
  commit: {
    before: [PULL, ['run', '--name', 'changed', 'busybox', 'touch', '/new']],
    commands: [['commit', 'changed', 'committed']],
    points: [...STORED, 'commit.layer', 'commit.recorded'],
  },
  load: {
    before: [PULL, ['save', '-o', 'ARCHIVE', 'busybox'], ['rmi', 'busybox']],
    commands: [['load', '-q', '-i', 'ARCHIVE']],
    points: [...STORED, 'load.layers', 'load.recorded'],
  },
  import: {
    before: [PULL, ['save', '-o', 'ARCHIVE', 'busybox']],
    commands: [['import', 'ARCHIVE', 'imported']],
    points: [...STORED, 'import.layer', 'import.recorded'],
  },
  rmi: {
    before: [PULL, ['tag', 'busybox', 'again']],
    commands: [
      ['rmi', 'again'],
      ['rmi', 'busybox'],
    ],
    points: ['rmi.untagged', 'delete.forgotten', 'rmi.done'],
  },
  prune: {
    before: [PULL],
    commands: [['image', 'prune', '-a', '-f']],
    points: ['delete.forgotten', 'prune.image'],
  },
};

/** Where what clients do with containers can be cut off. */
export const CONTAINER_POINTS = [
  'create.folders',
  'create.recorded',
  'start.connected',
  'start.launched',
  'start.published',
  'start.running',
  'start.recorded',
  'finish.disconnected',
  'finish.recorded',
  'remove.forgotten',
  'remove.done',
] as const satisfies readonly CrashPoint[];

/** The same for their networks and published ports. */
export const NETWORK_POINTS = [
  'connect.ordered',
  'connect.plugged',
  'connect.recorded',
  'disconnect.recorded',
  'disconnect.closed',
  'disconnect.unplugged',
  'update.published',
  'update.withdrawn',
  'update.recorded',
] as const satisfies readonly CrashPoint[];

/** Where a disk image can be cut off on its way in, and a machine while it is made. */
export const IMAGE_POINTS = [
  'image.begun',
  'image.brought',
  'image.checked',
  'image.recorded',
  'image.placed',
  'disk.written',
] as const satisfies readonly CrashPoint[];

/** A stream can be while it comes; then it is as any other image. */
export const DOWNLOAD_POINTS = ['image.receiving', 'image.brought'] as const satisfies readonly CrashPoint[];

/** The same of a machine that comes out of an archive. */
export const MACHINE_IMPORT_POINTS = [
  'archive.received',
  'create.folders',
  'archive.placed',
] as const satisfies readonly CrashPoint[];

/** The same of one that is like another one. */
export const CLONE_POINTS = ['create.folders', 'disk.written'] as const satisfies readonly CrashPoint[];

/** The same of a disk that a machine gets. */
export const NEW_DISK_POINTS = ['disk.written', 'disk.placed'] as const satisfies readonly CrashPoint[];
