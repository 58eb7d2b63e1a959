import type { SearchResult } from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { parseFilters } from '../filters.ts';
import { CliCommand, listOption, parsedOption, parseWholeNumber } from '../grammar.ts';
import { formatRows, type Row } from '../output/table.ts';
import { ellipsis } from '../output/words.ts';

interface SearchFlags {
  readonly filter: readonly string[];
  readonly format?: string;
  readonly limit?: number;
  /** True unless --no-trunc was given. */
  readonly trunc: boolean;
}

export function searchCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Search Docker Hub, or a registry that can search, for images');
  command
    .usage('[OPTIONS] TERM')
    .argument('<term>')
    .addOption(listOption('-f, --filter <filter>', 'Filter output based on conditions provided'))
    .option('--format <string>', "Format output: 'table', 'table TEMPLATE', 'json' or a Go template")
    .addOption(parsedOption('--limit <int>', 'Max number of search results', parseWholeNumber))
    .option('--no-trunc', "Don't truncate output")
    .action((term: string, flags: SearchFlags) => search(cli, term, flags));
  return command;
}

const HEADERS = {
  Name: 'NAME',
  Description: 'DESCRIPTION',
  StarCount: 'STARS',
  IsOfficial: 'OFFICIAL',
};

async function search(cli: Cli, term: string, flags: SearchFlags): Promise<void> {
  const { filter, format, limit, trunc } = flags;
  const client = await cli.connect();
  const results = await client.images.search(term, { limit, filters: parseFilters(filter) });
  const rows = results
    .toSorted((a, b) => b.star_count - a.star_count)
    .map((result) => searchRow(result, trunc));
  const defaultFormat = 'table {{.Name}}\\t{{.Description}}\\t{{.StarCount}}\\t{{.IsOfficial}}';
  process.stdout.write(formatRows(rows, { format, defaultFormat, headers: HEADERS }));
}

function searchRow(result: SearchResult, truncate: boolean): Row {
  const description = result.description.replace(/[\r\n]/g, ' ');
  return {
    Name: result.name,
    Description: truncate ? ellipsis(description, 45) : description,
    StarCount: String(result.star_count),
    IsOfficial: result.is_official ? '[OK]' : '',
  };
}
