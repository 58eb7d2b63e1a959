import { formatSize, invalid, shortId } from '../../base/index.ts';
import type {
  BuildCacheRecord,
  DataRootUsage,
  SystemDiskUsage,
  UsageTotals,
  VolumeWithUsage,
} from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { CliCommand } from '../grammar.ts';
import { IMAGE_HEADERS, imageRows } from '../output/image-row.ts';
import { alignColumns, formatRows, type Row } from '../output/table.ts';
import { compileTemplate } from '../output/template.ts';
import { ago } from '../output/words.ts';
import { containerRow } from './ps.ts';

interface DiskUsageFlags {
  readonly explain?: boolean;
  readonly format?: string;
  readonly verbose?: boolean;
}

export function diskUsageCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Show disk usage');
  command
    .usage('[OPTIONS]')
    .option('--explain', 'Show what each byte below the data root is there for')
    .option('--format <string>', "Format output: 'table', 'table TEMPLATE', 'json' or a Go template")
    .option('-v, --verbose', 'Show detailed information on space usage')
    .action((flags: DiskUsageFlags) => show(cli, flags));
  return command;
}

async function show(cli: Cli, { explain = false, format, verbose = false }: DiskUsageFlags): Promise<void> {
  if (explain && verbose) throw invalid('--explain and --verbose exclude each other');
  const client = await cli.connect();
  if (explain) {
    process.stdout.write(explanation(await client.system.dataRoot(), format));
    return;
  }
  const usage = await client.system.diskUsage();
  process.stdout.write(verbose ? details(usage, format) : summary(usage, format));
}

const SUMMARY_HEADERS = {
  Type: 'TYPE',
  TotalCount: 'TOTAL',
  Active: 'ACTIVE',
  Size: 'SIZE',
  Reclaimable: 'RECLAIMABLE',
};

function summary(usage: SystemDiskUsage, format: string | undefined): string {
  return formatRows(
    [
      summaryRow('Images', imageTotals(usage)),
      summaryRow('Containers', usage.ContainerUsage ?? containerTotals(usage)),
      summaryRow('Local Volumes', usage.VolumeUsage ?? volumeTotals(usage)),
      summaryRow('Build Cache', usage.BuildCacheUsage ?? buildCacheTotals(usage)),
    ],
    {
      format,
      defaultFormat: 'table {{.Type}}\\t{{.TotalCount}}\\t{{.Active}}\\t{{.Size}}\\t{{.Reclaimable}}',
      headers: SUMMARY_HEADERS,
    },
  );
}

function summaryRow(type: string, totals: UsageTotals): Row {
  const { TotalCount: count, ActiveCount: active, TotalSize: size, Reclaimable: reclaimable } = totals;
  const percent = size > 0 && type !== 'Build Cache' ? ` (${Math.floor((reclaimable * 100) / size)}%)` : '';
  return {
    Type: type,
    TotalCount: String(count),
    Active: String(active),
    Size: formatSize(size, 4),
    Reclaimable: `${formatSize(reclaimable, 4)}${percent}`,
  };
}

/** An older engine leaves the totals to its clients; what several images share it then counts as reclaimable. */
function imageTotals({ ImageUsage, Images, LayersSize = 0 }: SystemDiskUsage): UsageTotals {
  if (ImageUsage !== undefined) return ImageUsage;
  const images = Images ?? [];
  const used = images.filter(({ Containers: containers }) => containers > 0);
  const own = sum(used.map((image) => image.Size - Math.max(0, image.SharedSize)));
  return totals(images, used, LayersSize, LayersSize - own);
}

function containerTotals({ Containers }: SystemDiskUsage): UsageTotals {
  const containers = Containers ?? [];
  const running = containers.filter(({ State: state }) => /running|paused|restarting/.test(state));
  const sizes = (counted: typeof containers) => sum(counted.map(({ SizeRw: size = 0 }) => size));
  return totals(containers, running, sizes(containers), sizes(containers) - sizes(running));
}

function volumeTotals({ Volumes }: SystemDiskUsage): UsageTotals {
  const volumes = Volumes ?? [];
  const used = volumes.filter(({ UsageData: usage }) => (usage?.RefCount ?? 0) > 0);
  return totals(volumes, used, volumeSizes(volumes), volumeSizes(volumes) - volumeSizes(used));
}

function buildCacheTotals({ BuildCache }: SystemDiskUsage): UsageTotals {
  const records = BuildCache ?? [];
  const own = records.filter(({ Shared: isShared }) => !isShared);
  const used = own.filter(({ InUse: isUsed }) => isUsed);
  const sizes = (counted: readonly BuildCacheRecord[]) => sum(counted.map(({ Size: size }) => size));
  return totals(records, used, sizes(own), sizes(own) - sizes(used));
}

function volumeSizes(volumes: readonly VolumeWithUsage[]): number {
  return sum(volumes.map(({ UsageData: usage }) => Math.max(0, usage?.Size ?? 0)));
}

function totals(
  all: readonly unknown[],
  active: readonly unknown[],
  size: number,
  reclaimable: number,
): UsageTotals {
  return { TotalCount: all.length, ActiveCount: active.length, TotalSize: size, Reclaimable: reclaimable };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

const CONTAINER_HEADERS = {
  ID: 'CONTAINER ID',
  Image: 'IMAGE',
  Command: 'COMMAND',
  LocalVolumes: 'LOCAL VOLUMES',
  Size: 'SIZE',
  RunningFor: 'CREATED',
  Status: 'STATUS',
  Names: 'NAMES',
};
const VOLUME_HEADERS = { Name: 'VOLUME NAME', Links: 'LINKS', Size: 'SIZE' };
const CACHE_HEADERS = {
  ID: 'CACHE ID',
  CacheType: 'CACHE TYPE',
  Size: 'SIZE',
  CreatedSince: 'CREATED',
  LastUsedSince: 'LAST USED',
  UsageCount: 'USAGE',
  Shared: 'SHARED',
};

/** Everything, one by one: four tables, or the template with all of it. */
function details(usage: SystemDiskUsage, format: string | undefined): string {
  const isTable = format === undefined || format === '' || format === 'table';
  const rows = {
    Images: (usage.Images ?? []).flatMap((image) => imageRows(image, isTable, false).slice(0, 1)),
    // The image's size is the image's: shown there.
    Containers: (usage.Containers ?? []).map((one) => containerRow({ ...one, SizeRootFs: 0 }, isTable)),
    Volumes: (usage.Volumes ?? []).map(volumeRow),
    BuildCache: (usage.BuildCache ?? []).map((record) => cacheRow(record, isTable)),
  };
  if (!isTable) return `${compileTemplate(format === 'json' ? '{{json .}}' : format).render(rows)}\n`;
  const cacheSize = formatSize((usage.BuildCacheUsage ?? buildCacheTotals(usage)).TotalSize, 4);
  return [
    'Images space usage:\n\n',
    table(rows.Images, IMAGE_COLUMNS, IMAGE_HEADERS),
    '\nContainers space usage:\n\n',
    table(rows.Containers, Object.keys(CONTAINER_HEADERS), CONTAINER_HEADERS),
    '\nLocal Volumes space usage:\n\n',
    table(rows.Volumes, Object.keys(VOLUME_HEADERS), VOLUME_HEADERS),
    `\nBuild cache usage: ${cacheSize}\n\n`,
    table(rows.BuildCache, Object.keys(CACHE_HEADERS), CACHE_HEADERS),
  ].join('');
}

const IMAGE_COLUMNS = [
  'Repository',
  'Tag',
  'ID',
  'CreatedSince',
  'Size',
  'SharedSize',
  'UniqueSize',
  'Containers',
];

function table(
  rows: readonly Row[],
  columns: readonly string[],
  headers: Readonly<Record<string, string>>,
): string {
  const defaultFormat = `table ${columns.map((name) => `{{.${name}}}`).join('\\t')}`;
  return formatRows(rows, { format: undefined, defaultFormat, headers });
}

function volumeRow({ Name: name, Driver: driver, UsageData: usage }: VolumeWithUsage): Row {
  return {
    Name: name,
    Driver: driver,
    Links: String(usage?.RefCount ?? 'N/A'),
    Size: usage === undefined || usage.Size < 0 ? 'N/A' : formatSize(usage.Size, 4),
  };
}

function cacheRow(record: BuildCacheRecord, truncate: boolean): Row {
  const moment = (text: string | null) => (text === null || text === '' ? '' : ago(Date.parse(text) / 1000));
  return {
    ID: `${truncate ? shortId(record.ID) : record.ID}${record.InUse ? '*' : ''}`,
    Parent: (record.Parents ?? []).join(', '),
    CacheType: record.Type,
    Description: record.Description,
    Size: formatSize(record.Size),
    CreatedAt: record.CreatedAt,
    CreatedSince: moment(record.CreatedAt),
    LastUsedAt: record.LastUsedAt ?? '',
    LastUsedSince: moment(record.LastUsedAt),
    UsageCount: String(record.UsageCount),
    InUse: String(record.InUse),
    Shared: String(record.Shared),
  };
}

/** What each category takes, the largest first, and that it is all that `du` sees there. */
function explanation({ Path: path, Categories, Total }: DataRootUsage, format: string | undefined): string {
  const categories = Categories.toSorted((a, b) => b.Size - a.Size);
  if (format !== undefined && format !== '' && format !== 'table') {
    const rows = categories.map(({ Name, Description, Files, Size }) => ({
      Name,
      Description,
      Files: String(Files),
      Size: formatSize(Size),
      Bytes: String(Size),
    }));
    return formatRows(rows, { format, defaultFormat: '', headers: EXPLAIN_HEADERS });
  }
  const lines = categories.map(({ Name, Description, Files, Size }) =>
    [Name, formatSize(Size), String(Files), Description].join('\t'),
  );
  const head = ['CATEGORY', 'SIZE', 'FILES', 'WHAT IT IS'].join('\t');
  const files = sum(categories.map(({ Files }) => Files));
  const last = ['Total', formatSize(Total), String(files), `as du -sx ${path} counts it`].join('\t');
  return alignColumns([head, ...lines, last]);
}

const EXPLAIN_HEADERS = {
  Name: 'CATEGORY',
  Description: 'WHAT IT IS',
  Files: 'FILES',
  Size: 'SIZE',
  Bytes: 'BYTES',
};
