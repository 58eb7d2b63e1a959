import { familiarName, formatSize, parseReference, shortId } from '../../base/index.ts';
import type { ContainerSummary } from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { formatPorts } from '../container/port-list.ts';
import { parseFilters } from '../filters.ts';
import { CliCommand, listOption, parsedOption, parseWholeNumber } from '../grammar.ts';
import { formatRows, type Row } from '../output/table.ts';
import { ago, ellipsis, formatTime, joinLabels } from '../output/words.ts';

interface PsFlags {
  readonly all?: boolean;
  readonly filter: readonly string[];
  readonly format?: string;
  readonly last?: number;
  readonly latest?: boolean;
  /** True unless --no-trunc was given. */
  readonly trunc: boolean;
  readonly quiet?: boolean;
  readonly size?: boolean;
}

export function psCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'List containers');
  command
    .usage('[OPTIONS]')
    .option('-a, --all', 'Show all containers (default shows just running)')
    .addOption(listOption('-f, --filter <filter>', 'Filter output based on conditions provided'))
    .option('--format <string>', "Format output: 'table', 'table TEMPLATE', 'json' or a Go template")
    .addOption(
      parsedOption(
        '-n, --last <int>',
        'Show n last created containers (includes all states)',
        parseWholeNumber,
      ),
    )
    .option('-l, --latest', 'Show the latest created container (includes all states)')
    .option('--no-trunc', "Don't truncate output")
    .option('-q, --quiet', 'Only display container IDs')
    .option('-s, --size', 'Display total file sizes')
    .action((flags: PsFlags) => list(cli, flags));
  return command;
}

const COLUMNS =
  'table {{.ID}}\\t{{.Image}}\\t{{.Command}}\\t{{.RunningFor}}\\t{{.Status}}\\t{{.Ports}}\\t{{.Names}}';

const HEADERS = {
  ID: 'CONTAINER ID',
  Image: 'IMAGE',
  Command: 'COMMAND',
  CreatedAt: 'CREATED AT',
  RunningFor: 'CREATED',
  Status: 'STATUS',
  State: 'STATE',
  Ports: 'PORTS',
  Names: 'NAMES',
  Size: 'SIZE',
  Labels: 'LABELS',
  Mounts: 'MOUNTS',
  LocalVolumes: 'LOCAL VOLUMES',
  Networks: 'NETWORKS',
};

async function list(cli: Cli, flags: PsFlags): Promise<void> {
  const client = await cli.connect();
  const limit = flags.latest === true ? 1 : flags.last;
  // Sizes are costly for the engine: asked for only where they are shown.
  const size = flags.size === true || flags.format?.includes('.Size') === true;
  const containers = await client.containers.list({
    all: flags.all === true || (limit !== undefined && limit > 0),
    size,
    limit: limit === undefined || limit < 0 ? undefined : limit,
    filters: parseFilters(flags.filter),
  });
  const text = formatRows(
    containers.map((container) => containerRow(container, flags.trunc)),
    {
      format: flags.format,
      defaultFormat: flags.size === true ? `${COLUMNS}\\t{{.Size}}` : COLUMNS,
      quietField: flags.quiet === true ? 'ID' : undefined,
      headers: HEADERS,
    },
  );
  process.stdout.write(text);
}

/** A container's fields in a list; `truncate` shortens ids, images, commands and mounts. */
export function containerRow(container: ContainerSummary, truncate: boolean): Row {
  const command = truncate ? ellipsis(container.Command, 20) : container.Command;
  const mounts = container.Mounts.map(({ Name: name, Source: source }) => name ?? source);
  return {
    ID: truncate ? shortId(container.Id) : container.Id,
    Image: imageName(container.Image, truncate),
    Command: JSON.stringify(command),
    CreatedAt: formatTime(container.Created),
    RunningFor: ago(container.Created),
    Status: statusWithReason(container, truncate),
    State: container.State,
    Ports: formatPorts(container.Ports),
    Names: containerNames(container.Names, truncate),
    Size: sizeText(container),
    Labels: joinLabels(container.Labels),
    Mounts: mounts.map((mount) => (truncate ? ellipsis(mount, 15) : mount)).join(','),
    LocalVolumes: String(container.Mounts.filter(({ Driver: driver }) => driver === 'local').length),
    Networks: Object.keys(container.NetworkSettings?.Networks ?? {})
      .sort()
      .join(','),
    Label: (key: string) => container.Labels[key] ?? '',
  };
}

const REASON_LENGTH = 80;

/** Docker's status, and behind it why: "Exited (137) 2 minutes ago: out of memory (limit 64MiB)". */
function statusWithReason({ Status: status, Berth: berth }: ContainerSummary, truncate: boolean): string {
  if (berth === undefined) return status;
  return `${status}: ${truncate ? ellipsis(berth.Reason, REASON_LENGTH) : berth.Reason}`;
}

/** Without the digest that a container's image may be pinned to, and ids shortened. */
function imageName(image: string, truncate: boolean): string {
  if (image === '') return '<no image>';
  if (!truncate) return image;
  if (/^(sha256:)?[0-9a-f]{64}$/.test(image)) return shortId(image);
  if (!image.includes('@')) return image;
  const reference = parseReference(image);
  return reference.tag === undefined ? image : familiarName({ ...reference, digest: undefined });
}

/** Names with more than one slash are links, which are shown in full only. */
function containerNames(names: readonly string[], truncate: boolean): string {
  const plain = names.map((name) => name.replace(/^\//, ''));
  return (truncate ? plain.filter((name) => !name.includes('/')) : plain).join(',');
}

function sizeText({ SizeRw: own = 0, SizeRootFs: all = 0 }: ContainerSummary): string {
  return all > 0 ? `${formatSize(own)} (virtual ${formatSize(all)})` : formatSize(own);
}
