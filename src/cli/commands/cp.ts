import { invalid } from '../../base/index.ts';
import type { Cli } from '../cli.ts';
import { copyFromContainer } from '../copy/from-container.ts';
import { parsePlace } from '../copy/place.ts';
import { copyToContainer } from '../copy/to-container.ts';
import { CliCommand } from '../grammar.ts';

interface CopyFlags {
  readonly archive?: boolean;
  readonly followLink?: boolean;
  readonly quiet?: boolean;
}

export function copyCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Copy files/folders between a container and the local filesystem');
  command
    .usage(`[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n\t${path} [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH`)
    .argument('<source>')
    .argument('<destination>')
    .option('-a, --archive', 'Archive mode (copy all uid/gid information)')
    .option('-L, --follow-link', 'Always follow symbol link in SRC_PATH')
    .option('-q, --quiet', 'Suppress progress output during copy')
    .action((source: string, destination: string, flags: CopyFlags) => copy(cli, source, destination, flags));
  return command;
}

async function copy(cli: Cli, source: string, destination: string, flags: CopyFlags): Promise<void> {
  const from = parsePlace(source);
  const to = parsePlace(destination);
  const options = { archive: flags.archive === true, followLink: flags.followLink === true };
  if (from.kind === 'container' && to.kind === 'container') {
    throw invalid('copying between containers is not supported');
  }
  if (from.kind === 'local' && to.kind === 'local')
    throw invalid('must specify at least one container source');
  const { files } = await cli.connect();
  if (from.kind === 'container') await copyFromContainer(files, from, to.path, options);
  else if (to.kind === 'container') await copyToContainer(files, from.path, to, options);
  if (flags.quiet !== true && process.stderr.isTTY && destination !== '-') {
    process.stderr.write(`Successfully copied ${source} to ${destination}\n`);
  }
}
