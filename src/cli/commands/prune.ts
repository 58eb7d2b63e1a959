import { createInterface } from 'node:readline/promises';
import { formatSize, invalid, parseSize } from '../../base/index.ts';
import type { EngineClient, Filters } from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { parseFilters } from '../filters.ts';
import { CliCommand, listOption, parsedOption } from '../grammar.ts';

interface PruneFlags {
  readonly all?: boolean;
  readonly filter: readonly string[];
  readonly force?: boolean;
}

interface KeepFlags {
  /** Bytes. */
  readonly reservedSpace?: number;
  readonly keepStorage?: number;
}

export function pruneContainersCommand(cli: Cli, path: string): CliCommand {
  return pruneCommand(path, 'Remove all stopped containers', false, async ({ filter, force }) => {
    const filters = parseFilters(filter);
    if (await confirmed('This will remove all stopped containers.', force))
      reportSpace(await pruneContainers(await cli.connect(), filters));
  });
}

export function pruneImagesCommand(cli: Cli, path: string): CliCommand {
  return pruneCommand(path, 'Remove unused images', true, async ({ all = false, filter, force }) => {
    const filters = parseFilters(filter);
    if (await confirmed(`This will remove ${imagesOf(all)}.`, force))
      reportSpace(await pruneImages(await cli.connect(), filters, all));
  });
}

export function pruneNetworksCommand(cli: Cli, path: string): CliCommand {
  return pruneCommand(path, 'Remove all unused networks', false, async ({ filter, force }) => {
    const filters = parseFilters(filter);
    const question = 'This will remove all custom networks not used by at least one container.';
    if (await confirmed(question, force)) await pruneNetworks(await cli.connect(), filters);
  });
}

export function pruneVolumesCommand(cli: Cli, path: string): CliCommand {
  return pruneCommand(path, 'Remove unused local volumes', true, async ({ all = false, filter, force }) => {
    const filters = parseFilters(filter);
    const what = all ? 'all volumes' : 'anonymous local volumes';
    if (await confirmed(`This will remove ${what} not used by at least one container.`, force))
      reportSpace(await pruneVolumes(await cli.connect(), filters, all));
  });
}

export function pruneBuildCacheCommand(cli: Cli, path: string): CliCommand {
  const command = pruneCommand(path, 'Remove build cache', true, async (flags: PruneFlags & KeepFlags) => {
    const { all = false, filter, force, reservedSpace, keepStorage = reservedSpace } = flags;
    const filters = parseFilters(filter);
    const what = all ? 'all build cache' : 'the build cache that no image needs';
    if (await confirmed(`This will remove ${what}.`, force))
      reportSpace(await pruneBuildCache(await cli.connect(), { filters, all, keep: keepStorage }));
  });
  command
    .addOption(parsedOption('--reserved-space <bytes>', 'Keep the newest cache, up to so much', parseSize))
    .addOption(parsedOption('--keep-storage <bytes>', 'The same, by its older name', parseSize));
  return command;
}

export function pruneSystemCommand(cli: Cli, path: string): CliCommand {
  const prune = (flags: PruneFlags & { volumes?: boolean }) => pruneSystem(cli, flags);
  const command = pruneCommand(path, 'Remove unused data', true, prune);
  command.option('--volumes', 'Prune anonymous volumes');
  return command;
}

async function pruneSystem(
  cli: Cli,
  { all = false, filter, force, volumes = false }: PruneFlags & { volumes?: boolean },
): Promise<void> {
  const filters = parseFilters(filter);
  if (volumes && filters.until !== undefined)
    throw invalid('the filter "until" is not supported with --volumes: a volume has no last use');
  const things = [
    'all stopped containers',
    'all networks not used by at least one container',
    ...(volumes ? ['all anonymous volumes not used by at least one container'] : []),
    imagesOf(all),
    all ? 'all build cache' : 'unused build cache',
  ];
  const limits =
    filter.length === 0 ? [] : ['', 'Items to be pruned will be filtered with:', ...filter.map(listed)];
  const warning = ['This will remove:', ...things.map(listed), ...limits, ''].join('\n');
  if (!(await confirmed(warning, force))) return;
  const client = await cli.connect();
  // In this order, as each makes more of the next unused.
  let space = await pruneContainers(client, filters);
  await pruneNetworks(client, filters);
  if (volumes) space += await pruneVolumes(client, filters, false);
  space += await pruneImages(client, filters, all);
  space += await pruneBuildCache(client, { filters, all, keep: undefined });
  reportSpace(space);
}

const listed = (text: string) => `  - ${text}`;

function imagesOf(all: boolean): string {
  return all ? 'all images without at least one container associated to them' : 'all dangling images';
}

/** Each removes what it is named for, prints what went, and returns the bytes that are free now. */
async function pruneContainers(client: EngineClient, filters: Filters): Promise<number> {
  const { ContainersDeleted, SpaceReclaimed } = await client.containers.prune({ filters });
  report('Deleted Containers:', ContainersDeleted);
  return SpaceReclaimed;
}

async function pruneNetworks(client: EngineClient, filters: Filters): Promise<void> {
  const { NetworksDeleted } = await client.networks.prune({ filters });
  report('Deleted Networks:', NetworksDeleted);
}

async function pruneVolumes(client: EngineClient, filters: Filters, all: boolean): Promise<number> {
  const given = { ...filters, ...(all ? { all: ['true'] } : {}) };
  const { VolumesDeleted, SpaceReclaimed } = await client.volumes.prune({ filters: given });
  report('Deleted Volumes:', VolumesDeleted);
  return SpaceReclaimed;
}

async function pruneImages(client: EngineClient, filters: Filters, all: boolean): Promise<number> {
  const given = { ...filters, dangling: [String(!all)] };
  const { ImagesDeleted, SpaceReclaimed } = await client.images.prune({ filters: given });
  report(
    'Deleted Images:',
    (ImagesDeleted ?? []).map(({ Deleted, Untagged }) =>
      Deleted === undefined ? `untagged: ${Untagged}` : `deleted: ${Deleted}`,
    ),
  );
  return SpaceReclaimed;
}

async function pruneBuildCache(
  client: EngineClient,
  options: { filters: Filters; all: boolean; keep: number | undefined },
): Promise<number> {
  const { CachesDeleted, SpaceReclaimed } = await client.system.pruneBuildCache(options);
  report('Deleted build cache objects:', CachesDeleted);
  return SpaceReclaimed;
}

function pruneCommand<Flags extends PruneFlags>(
  path: string,
  summary: string,
  hasAll: boolean,
  prune: (flags: Flags) => Promise<void>,
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

/** Asks the user; without an answer the answer is no. */
export async function confirmed(warning: string, force = false): Promise<boolean> {
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

export function reportSpace(bytes: number): void {
  process.stdout.write(`Total reclaimed space: ${formatSize(bytes, 4)}\n`);
}
