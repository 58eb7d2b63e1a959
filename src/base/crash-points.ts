/** Places where an operation can be cut off: after each step that leaves something durable or something in the kernel. */
export const CRASH_POINTS = [
  'blob.stored',
  'layer.renamed',
  'layer.recorded',
  'pull.layers',
  'pull.recorded',
  'load.layers',
  'load.recorded',
  'import.layer',
  'import.recorded',
  'build.layer',
  'build.kept',
  'build.recorded',
  'commit.layer',
  'commit.recorded',
  'create.folders',
  'create.recorded',
  'start.connected',
  'start.launched',
  'start.published',
  'start.running',
  'start.recorded',
  'connect.ordered',
  'connect.plugged',
  'connect.recorded',
  'disconnect.recorded',
  'disconnect.closed',
  'disconnect.unplugged',
  'update.published',
  'update.withdrawn',
  'update.recorded',
  'finish.disconnected',
  'finish.recorded',
  'remove.forgotten',
  'remove.done',
  'rmi.untagged',
  'delete.forgotten',
  'rmi.done',
  'prune.image',
  'image.begun',
  'image.receiving',
  'image.brought',
  'image.checked',
  'image.recorded',
  'image.placed',
  'disk.written',
  'disk.placed',
  'archive.received',
  'archive.placed',
] as const;

/** The same of operations on machines that are whole computers. */
export const MACHINE_CRASH_POINTS = [
  'snapshot.begun',
  'snapshot.stopped',
  'snapshot.frozen',
  'snapshot.saved',
  'restore.begun',
  'restore.done',
] as const;

export type CrashPoint = (typeof CRASH_POINTS)[number] | (typeof MACHINE_CRASH_POINTS)[number];

/** Ends this process as SIGKILL from outside would, if BERTH_CRASH_AT names the point. For fault tests; nothing otherwise. */
export function crashPoint(point: CrashPoint): void {
  if (process.env.BERTH_CRASH_AT === point) process.kill(process.pid, 'SIGKILL');
}
