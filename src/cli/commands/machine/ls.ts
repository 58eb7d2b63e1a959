import { basename } from 'node:path';
import { formatBinarySize, shortId } from '../../../base/index.ts';
import type { MachineSummary } from '../../../client/index.ts';
import type { Cli } from '../../cli.ts';
import { formatPorts } from '../../container/port-list.ts';
import { parseFilters } from '../../filters.ts';
import { CliCommand, listOption } from '../../grammar.ts';
import { formatRows, type Row } from '../../output/table.ts';
import { ago, ellipsis, joinLabels } from '../../output/words.ts';

interface ListFlags {
  readonly all?: boolean;
  readonly filter: readonly string[];
  readonly format?: string;
  readonly quiet?: boolean;
  /** True unless --no-trunc was given. */
  readonly trunc: boolean;
}

export function listMachinesCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'List machines');
  command
    .usage('[OPTIONS]')
    .option('-a, --all', 'Show all machines (default shows just running)')
    .addOption(listOption('-f, --filter <filter>', 'Filter output: id, name, label, network, status'))
    .option('--format <string>', "Format output: 'table', 'table TEMPLATE', 'json' or a Go template")
    .option('--no-trunc', "Don't truncate output")
    .option('-q, --quiet', 'Only display names')
    .action(async (flags: ListFlags) => {
      const client = await cli.connect();
      const filters = parseFilters(flags.filter);
      const machines = await client.machines.list({ all: flags.all === true, filters });
      const text = formatRows(
        machines.map((machine) => machineRow(machine, flags.trunc)),
        {
          format: flags.format,
          defaultFormat: COLUMNS,
          quietField: flags.quiet === true ? 'Name' : undefined,
          headers: HEADERS,
        },
      );
      process.stdout.write(text);
    });
  return command;
}

const COLUMNS =
  'table {{.Name}}\\t{{.Status}}\\t{{.Source}}\\t{{.Cpus}}\\t{{.Memory}}\\t{{.Addresses}}\\t{{.Ports}}';

const HEADERS = {
  ID: 'MACHINE ID',
  Name: 'NAME',
  Status: 'STATUS',
  State: 'STATE',
  Source: 'SOURCE',
  Cpus: 'CPUS',
  Memory: 'MEMORY',
  Addresses: 'ADDRESSES',
  Networks: 'NETWORKS',
  Ports: 'PORTS',
  RunningFor: 'CREATED',
  Labels: 'LABELS',
};

const REASON_LENGTH = 80;

function machineRow(machine: MachineSummary, truncate: boolean): Row {
  const { Id, Name, Source, Status, Reason, State, Cpus, Memory, Networks, Ports, Labels } = machine;
  const reason = Reason === undefined ? '' : `: ${truncate ? ellipsis(Reason, REASON_LENGTH) : Reason}`;
  const addresses = Object.values(Networks).flatMap(({ IPAddress }) => IPAddress || []);
  return {
    ID: truncate ? shortId(Id) : Id,
    Name,
    Status: `${Status}${reason}`,
    State,
    Source: truncate ? sourceName(Source) : Source,
    Cpus: String(Cpus),
    Memory: formatBinarySize(Memory),
    Addresses: addresses.join(','),
    Networks: Object.keys(Networks).sort().join(','),
    Ports: formatPorts(Ports),
    RunningFor: ago(Date.parse(machine.Created) / 1000),
    Labels: joinLabels(Labels),
    Label: (key: string) => Labels[key] ?? '',
  };
}

/** A file's name without its folder, and a URL's without what leads there. */
function sourceName(source: string): string {
  if (source === '') return '<empty>';
  return ellipsis(source.includes('/') ? basename(source.replace(/[?#].*/, '')) : source, 40);
}
