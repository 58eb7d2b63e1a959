import { createInterface } from 'node:readline/promises';
import { formatSize } from '../../base/index.ts';
import type { Cli } from '../cli.ts';
import { parseFilters } from '../filters.ts';
import { CliCommand, listOption } from '../grammar.ts';

interface PruneFlags {
  readonly all?: boolean;
  readonly filter: readonly string[];
  readonly force?: boolean;
}

export function pruneContainersCommand(cli: Cli, path: string): CliCommand {
  return pruneCommand(path, 'Remove all stopped containers', false, async ({ filter, force }) => {
    if (!(await confirmed('This will remove all stopped containers.', force))) return;
    const client = await cli.connect();
    const { ContainersDeleted, SpaceReclaimed } = await client.containers.prune({
      filters: parseFilters(filter),
    });
    report('Deleted Containers:', ContainersDeleted);
    reportSpace(SpaceReclaimed);
  });
}

export function pruneImagesCommand(cli: Cli, path: string): CliCommand {
  return pruneCommand(path, 'Remove unused images', true, async ({ all = false, filter, force }) => {
    const what = all ? 'all images without at least one container associated to them' : 'all dangling images';
    if (!(await confirmed(`This will remove ${what}.`, force))) return;
    const client = await cli.connect();
    const filters = { ...parseFilters(filter), dangling: [String(!all)] };
    const { ImagesDeleted, SpaceReclaimed } = await client.images.prune({ filters });
    report(
      'Deleted Images:',
      (ImagesDeleted ?? []).map(({ Deleted, Untagged }) =>
        Deleted === undefined ? `untagged: ${Untagged}` : `deleted: ${Deleted}`,
      ),
    );
    reportSpace(SpaceReclaimed);
  });
}

export function pruneNetworksCommand(cli: Cli, path: string): CliCommand {
  return pruneCommand(path, 'Remove all unused networks', false, async ({ filter, force }) => {
    const question = 'This will remove all custom networks not used by at least one container.';
    if (!(await confirmed(question, force))) return;
    const client = await cli.connect();
    const { NetworksDeleted } = await client.networks.prune({ filters: parseFilters(filter) });
    report('Deleted Networks:', NetworksDeleted);
  });
}

export function pruneVolumesCommand(cli: Cli, path: string): CliCommand {
  return pruneCommand(path, 'Remove unused local volumes', true, async ({ all = false, filter, force }) => {
    const what = all ? 'all volumes' : 'anonymous local volumes';
    if (!(await confirmed(`This will remove ${what} not used by at least one container.`, force))) return;
    const client = await cli.connect();
    const filters = { ...parseFilters(filter), ...(all ? { all: ['true'] } : {}) };
    const { VolumesDeleted, SpaceReclaimed } = await client.volumes.prune({ filters });
    report('Deleted Volumes:', VolumesDeleted);
    reportSpace(SpaceReclaimed);
  });
}

function pruneCommand(
  path: string,
  summary: string,
  hasAll: boolean,
  prune: (flags: PruneFlags) => Promise<void>,
): CliCommand {
  const command = new CliCommand(path, summary);
  command.usage('[OPTIONS]');
  if (hasAll) command.option('-a, --all', 'Remove all that are unused, not just those without a name');
  command
    .addOption(listOption('--filter <filter>', 'Provide filter values (e.g. "until=<timestamp>")'))
    .option('-f, --force', 'Do not prompt for confirmation')
    .action(prune);
  return command;
}

async function confirmed(warning: string, force = false): Promise<boolean> {
  if (force) return true;
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const ended = new AbortController();
  terminal.once('close', () => ended.abort()); // no answer is no consent
  try {
    const question = `WARNING! ${warning}\nAre you sure you want to continue? [y/N] `;
    return /^y(es)?$/i.test((await terminal.question(question, { signal: ended.signal })).trim());
  } catch (error) {
    if (ended.signal.aborted) return false;
    throw error;
  } finally {
    terminal.close();
  }
}

function report(title: string, deleted: readonly string[] | null): void {
  if (deleted === null || deleted.length === 0) return;
  process.stdout.write(`${title}\n${deleted.join('\n')}\n\n`);
}

function reportSpace(bytes: number): void {
  process.stdout.write(`Total reclaimed space: ${formatSize(bytes)}\n`);
}
