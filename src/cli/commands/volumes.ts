import type { Volume } from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { parseFilters, parsePairs } from '../filters.ts';
import { CliCommand, listOption } from '../grammar.ts';
import { formatRows, type Row } from '../output/table.ts';
import { joinLabels } from '../output/words.ts';
import { forEachTarget } from '../targets.ts';

interface ListFlags {
  readonly filter: readonly string[];
  readonly format?: string;
  readonly quiet?: boolean;
}

export function listVolumesCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'List volumes');
  command
    .usage('[OPTIONS]')
    .addOption(listOption('-f, --filter <filter>', 'Provide filter values (e.g. "dangling=true")'))
    .option('--format <string>', "Format output: 'table', 'table TEMPLATE', 'json' or a Go template")
    .option('-q, --quiet', 'Only display volume names')
    .action(async (flags: ListFlags) => {
      const answer = await (await cli.connect()).volumes.list({ filters: parseFilters(flags.filter) });
      const rows = (answer.Volumes ?? []).toSorted((a, b) => a.Name.localeCompare(b.Name)).map(volumeRow);
      const text = formatRows(rows, {
        format: flags.format,
        defaultFormat: 'table {{.Driver}}\\t{{.Name}}',
        quietField: flags.quiet === true ? 'Name' : undefined,
        headers: HEADERS,
      });
      process.stdout.write(text);
    });
  return command;
}

const HEADERS = {
  Name: 'VOLUME NAME',
  Driver: 'DRIVER',
  Scope: 'SCOPE',
  Mountpoint: 'MOUNTPOINT',
  Labels: 'LABELS',
};

function volumeRow(volume: Volume): Row {
  return {
    Name: volume.Name,
    Driver: volume.Driver,
    Scope: volume.Scope,
    Mountpoint: volume.Mountpoint,
    Labels: joinLabels(volume.Labels),
    Label: (key: string) => volume.Labels?.[key] ?? '',
  };
}

interface CreateFlags {
  readonly driver: string;
  readonly label: readonly string[];
  readonly opt: readonly string[];
}

export function createVolumeCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Create a volume');
  command
    .usage('[OPTIONS] [VOLUME]')
    .argument('[name]')
    .option('-d, --driver <string>', 'Specify volume driver name', 'local')
    .addOption(listOption('--label <list>', 'Set metadata for a volume'))
    .addOption(listOption('-o, --opt <map>', 'Set driver specific options'))
    .action(async (name: string | undefined, flags: CreateFlags) => {
      const client = await cli.connect();
      const volume = await client.volumes.create({
        Name: name,
        Driver: flags.driver,
        DriverOpts: parsePairs(flags.opt),
        Labels: parsePairs(flags.label),
      });
      process.stdout.write(`${volume.Name}\n`);
    });
  return command;
}

export function removeVolumesCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Remove one or more volumes');
  command
    .usage('[OPTIONS] VOLUME [VOLUME...]')
    .argument('<volume...>')
    .option('-f, --force', 'Force the removal of one or more volumes')
    .action(async (volumes: readonly string[], { force = false }: { force?: boolean }) => {
      const client = await cli.connect();
      await forEachTarget(cli, volumes, (volume) => client.volumes.remove(volume, { force }), {
        missingIsFine: force,
      });
    });
  return command;
}
