import { Option } from 'commander';
import { formatSize, shortId } from '../../base/index.ts';
import type { ImageHistoryEntry } from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { CliCommand } from '../grammar.ts';
import { formatRows, type Row } from '../output/table.ts';
import { ago, ellipsis, formatRfc3339 } from '../output/words.ts';

interface HistoryFlags {
  readonly format?: string;
  /** True unless --human=false was given. */
  readonly human: boolean;
  readonly platform?: string;
  readonly quiet?: boolean;
  /** True unless --no-trunc was given. */
  readonly trunc: boolean;
}

export function historyCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Show the history of an image');
  command
    .usage('[OPTIONS] IMAGE')
    .argument('<image>')
    .option('--format <string>', "Format output: 'table', 'table TEMPLATE', 'json' or a Go template")
    .option('-H, --human', 'Print sizes and dates in human readable format', true)
    .addOption(new Option('--no-human').hideHelp())
    .option('--no-trunc', "Don't truncate output")
    .option('--platform <string>', 'Show history for the given platform: os[/arch[/variant]]')
    .option('-q, --quiet', 'Only show image IDs')
    .action((image: string, flags: HistoryFlags) => show(cli, image, flags));
  return command;
}

const HEADERS = {
  ID: 'IMAGE',
  CreatedSince: 'CREATED',
  CreatedAt: 'CREATED AT',
  CreatedBy: 'CREATED BY',
  Size: 'SIZE',
  Comment: 'COMMENT',
};

async function show(cli: Cli, image: string, flags: HistoryFlags): Promise<void> {
  const client = await cli.connect();
  const entries = await client.images.history(image, { platform: flags.platform });
  const created = flags.human ? '{{.CreatedSince}}' : '{{.CreatedAt}}';
  const text = formatRows(
    entries.map((entry) => historyRow(entry, flags)),
    {
      format: flags.format,
      defaultFormat: `table {{.ID}}\\t${created}\\t{{.CreatedBy}}\\t{{.Size}}\\t{{.Comment}}`,
      quietField: flags.quiet === true ? 'ID' : undefined,
      headers: HEADERS,
    },
  );
  process.stdout.write(text);
}

function historyRow(entry: ImageHistoryEntry, { human, trunc }: HistoryFlags): Row {
  const createdBy = entry.CreatedBy.replaceAll('\t', ' ');
  const createdAt = formatRfc3339(entry.Created);
  return {
    ID: trunc ? shortId(entry.Id) : entry.Id,
    CreatedAt: createdAt,
    CreatedSince: human ? since(entry.Created) : createdAt,
    CreatedBy: trunc ? ellipsis(createdBy, 45) : createdBy,
    Size: human ? formatSize(entry.Size) : String(entry.Size),
    Comment: entry.Comment,
  };
}

const YEAR_2000 = Date.UTC(2000) / 1000;

/** Images that are built the same everywhere have times long ago, which tell nothing. */
function since(created: number): string {
  return created <= YEAR_2000 ? '' : ago(created);
}
