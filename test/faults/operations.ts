import type { CrashPoint } from '../../src/base/index.ts';

/** Something that users do, and where it can be cut off. `DOCKERFILES` stands for a build context, `ARCHIVE` for a file. */
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
  run: {
    before: [PULL],
    commands: [
      ['run', '-d', '--name', 'one', '-p', '127.0.0.1::80', 'busybox', 'sleep', '1000'],
      ['run', '--rm', '--name', 'two', 'busybox', 'true'],
      ['exec', 'one', 'true'],
      ['stop', '-t', '0', 'one'],
      ['rm', 'one'],
    ],
    points: [
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
    ],
  },
  network: {
    before: [PULL, ['run', '-d', '--name', 'one', 'busybox', 'sleep', '1000']],
    commands: [
      ['network', 'create', 'second'],
      ['network', 'connect', 'second', 'one'],
      ['network', 'disconnect', 'second', 'one'],
      ['network', 'rm', 'second'],
    ],
    points: ['connect.plugged', 'connect.recorded', 'disconnect.recorded', 'disconnect.unplugged'],
  },
};
