import { invalid } from '../../base/index.ts';
import type { EngineClient } from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { copyFromContainer } from '../copy/from-container.ts';
import { parsePlace } from '../copy/place.ts';
import { copyToContainer } from '../copy/to-container.ts';
import { CliCommand } from '../grammar.ts';

type Files = EngineClient['files'];

interface CopyFlags {
  readonly archive?: boolean;
  readonly followLink?: boolean;
  readonly quiet?: boolean;
}

export function copyCommand(cli: Cli, path: string): CliCommand {
  return copyingCommand(path, 'container', async () => (await cli.connect()).files);
}

/** By QEMU's guest agent. */
export function machineCopyCommand(cli: Cli, path: string): CliCommand {
  return copyingCommand(path, 'machine', async () => (await cli.connect()).machines.files);
}

function copyingCommand(path: string, what: string, files: () => Promise<Files>): CliCommand {
  const command = new CliCommand(path, `Copy files/folders between a ${what} and the local filesystem`);
  const WHAT = what.toUpperCase();
  command
    .usage(`[OPTIONS] ${WHAT}:SRC_PATH DEST_PATH|-\n\t${path} [OPTIONS] SRC_PATH|- ${WHAT}:DEST_PATH`)
    .argument('<source>')
    .argument('<destination>')
    .option('-a, --archive', 'Archive mode (copy all uid/gid information)')
    .option('-L, --follow-link', 'Always follow symbol link in SRC_PATH')
    .option('-q, --quiet', 'Suppress progress output during copy')
    .action((source: string, destination: string, flags: CopyFlags) =>
      copy(files, source, destination, flags),
    );
  return command;
}

async function copy(
  connect: () => Promise<Files>,
  source: string,
  destination: string,
  flags: CopyFlags,
): Promise<void> {
  const from = parsePlace(source);
  const to = parsePlace(destination);
  const options = { archive: flags.archive === true, followLink: flags.followLink === true };
  if (from.kind === 'container' && to.kind === 'container') {
    throw invalid('copying between containers is not supported');
  }
  if (from.kind === 'local' && to.kind === 'local')
    throw invalid('must specify at least one container source');
  const files = await connect();
  if (from.kind === 'container') await copyFromContainer(files, from, to.path, options);
  else if (to.kind === 'container') await copyToContainer(files, from.path, to, options);
  if (flags.quiet !== true && process.stderr.isTTY && destination !== '-') {
    process.stderr.write(`Successfully copied ${source} to ${destination}\n`);
  }
}
