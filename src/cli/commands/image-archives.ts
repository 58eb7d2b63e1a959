import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { invalid, notFound } from '../../base/index.ts';
import type { Cli } from '../cli.ts';
import { findLocal } from '../copy/local-path.ts';
import { CliCommand, listOption } from '../grammar.ts';
import { writeArchive } from '../output/archive.ts';
import { showProgress } from '../output/progress.ts';

export function saveCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(
    path,
    'Save one or more images to a tar archive (streamed to STDOUT by default)',
  );
  command
    .usage('[OPTIONS] IMAGE [IMAGE...]')
    .argument('<image...>')
    .option('-o, --output <string>', 'Write to a file, instead of STDOUT')
    .option(
      '--platform <string>',
      'Save only the given platform. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")',
    )
    .action(
      async (images: readonly string[], { output, platform }: { output?: string; platform?: string }) => {
        const options = platform === undefined ? {} : { platform };
        await writeArchive(async () => (await cli.connect()).images.save(images, options), output);
      },
    );
  return command;
}

interface LoadFlags {
  readonly input?: string;
  readonly platform?: string;
  readonly quiet?: boolean;
}

export function loadCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Load an image from a tar archive or STDIN');
  command
    .usage('[OPTIONS]')
    .option('-i, --input <string>', 'Read from tar archive file, instead of STDIN')
    .option(
      '--platform <string>',
      'Load only the given platform. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")',
    )
    .option('-q, --quiet', 'Suppress the load output')
    .action((flags: LoadFlags) => load(cli, flags));
  return command;
}

async function load(cli: Cli, { input, platform, quiet = false }: LoadFlags): Promise<void> {
  if (input === undefined && process.stdin.isTTY) {
    throw invalid('requested load from stdin, but stdin is empty', {
      hint: 'Use -i FILE or redirect an archive',
    });
  }
  const { images } = await cli.connect();
  const archive = input === undefined ? process.stdin : await openFile(input);
  const messages = images.load(archive, { quiet, ...(platform === undefined ? {} : { platform }) });
  for await (const _ of showProgress(messages, process.stdout));
}

interface ImportFlags {
  readonly change: readonly string[];
  readonly message?: string;
  readonly platform?: string;
}

export function importCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Import the contents from a tarball to create a filesystem image');
  command
    .usage('[OPTIONS] file|URL|- [REPOSITORY[:TAG]]')
    .argument('<source>')
    .argument('[repository]')
    .addOption(listOption('-c, --change <list>', 'Apply Dockerfile instruction to the created image'))
    .option('-m, --message <string>', 'Set commit message for imported image')
    .option('--platform <string>', 'Set platform if server is multi-platform capable')
    .action((source: string, repository: string | undefined, flags: ImportFlags) =>
      importImage(cli, source, repository, flags),
    );
  return command;
}

async function importImage(
  cli: Cli,
  source: string,
  repository: string | undefined,
  { change: changes, message, platform }: ImportFlags,
): Promise<void> {
  const { images } = await cli.connect();
  const messages = images.import(await openSource(source), {
    changes,
    ...(repository === undefined ? {} : { name: repository }),
    ...(message === undefined ? {} : { message }),
    ...(platform === undefined ? {} : { platform }),
  });
  for await (const _ of showProgress(messages, process.stdout));
}

async function openSource(source: string): Promise<Readable | URL> {
  if (source === '-') return process.stdin;
  if (/^https?:\/\//.test(source) && URL.canParse(source)) return new URL(source);
  return openFile(source);
}

/** Throws, in the words of Docker's client, before anything is sent. */
async function openFile(path: string): Promise<Readable> {
  const { exists, isFolder } = await findLocal(path);
  if (!exists) throw notFound(`open ${path}: no such file or directory`);
  if (isFolder) throw invalid(`read ${path}: is a directory`);
  return createReadStream(path, { highWaterMark: READ_SIZE });
}

const READ_SIZE = 1024 * 1024;
