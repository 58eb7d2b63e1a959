import { formatBinarySize, formatSize } from '../../../base/index.ts';
import type { MachineImage } from '../../../client/index.ts';
import type { Cli } from '../../cli.ts';
import { CliCommand } from '../../grammar.ts';
import { formatRows, type Row } from '../../output/table.ts';
import { ago } from '../../output/words.ts';
import { confirmed, reportSpace } from '../prune.ts';

interface ImagesFlags {
  readonly format?: string;
}

export function machineImagesCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'List the disk images that machines stand on');
  command
    .usage('[OPTIONS]')
    .option('--format <string>', "Format output: 'table', 'table TEMPLATE', 'json' or a Go template")
    .action(async ({ format }: ImagesFlags) => {
      const images = await (await cli.connect()).machines.images();
      const options = { format, defaultFormat: COLUMNS, quietField: undefined, headers: HEADERS };
      process.stdout.write(formatRows(images.map(imageRow), options));
    });
  return command;
}

const COLUMNS =
  'table {{.Source}}\\t{{.Format}}\\t{{.VirtualSize}}\\t{{.Size}}\\t{{.Used}}\\t{{.CreatedSince}}';

const HEADERS = {
  Source: 'SOURCE',
  Format: 'FORMAT',
  VirtualSize: 'DISK',
  Size: 'SIZE',
  Used: 'IN USE',
  CreatedSince: 'CREATED',
  Digest: 'DIGEST',
  Name: 'NAME',
};

function imageRow(image: MachineImage): Row {
  return {
    Source: image.Source,
    Format: image.Format,
    VirtualSize: formatBinarySize(image.VirtualSize),
    Size: formatSize(image.Size),
    Used: image.Used ? 'yes' : 'no',
    CreatedSince: ago(Date.parse(image.Created) / 1000),
    Digest: image.Digest,
    Name: image.Name,
  };
}

export function pruneMachineImagesCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Remove the disk images that no machine stands on');
  command
    .usage('[OPTIONS]')
    .option('-f, --force', 'Do not prompt for confirmation')
    .action(async ({ force }: { force?: boolean }) => {
      if (!(await confirmed('This will remove all disk images that no machine stands on.', force))) return;
      const { SpaceReclaimed } = await (await cli.connect()).machines.pruneImages();
      reportSpace(SpaceReclaimed);
    });
  return command;
}
