import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { invalid } from '../../base/index.ts';
import type { Cli } from '../cli.ts';
import { requireFolder } from '../copy/local-path.ts';
import { CliCommand } from '../grammar.ts';

/** The letters of the API's kinds of change: changed, added, deleted. */
const LETTERS = ['C', 'A', 'D'];

export function diffCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, "Inspect changes to files or directories on a container's filesystem");
  command
    .usage('CONTAINER')
    .argument('<container>')
    .action(async (container: string) => {
      const changes = await (await cli.connect()).files.changes(container);
      for (const { Path, Kind } of changes) process.stdout.write(`${LETTERS[Kind]} ${Path}\n`);
    });
  return command;
}

export function exportCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, "Export a container's filesystem as a tar archive");
  command
    .usage('[OPTIONS] CONTAINER')
    .argument('<container>')
    .option('-o, --output <string>', 'Write to a file, instead of STDOUT')
    .action(async (container: string, { output }: { output?: string }) => {
      if (output === undefined && process.stdout.isTTY) {
        throw invalid('cowardly refusing to save to a terminal. Use the -o flag or redirect');
      }
      if (output !== undefined) await requireFolder(dirname(resolve(output)));
      const archive = await (await cli.connect()).files.export(container);
      if (output === undefined) await pipeline(archive, process.stdout, { end: false });
      else await writeWhole(archive, output);
    });
  return command;
}

/** A file that is there whole or not at all. */
async function writeWhole(archive: NodeJS.ReadableStream, path: string): Promise<void> {
  const partial = `${path}.${process.pid}.partial`;
  try {
    await pipeline(archive, createWriteStream(partial));
    await rename(partial, path);
  } finally {
    await rm(partial, { force: true });
  }
}
