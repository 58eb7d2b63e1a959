import {
  canonicalName,
  familiarName,
  familiarRepository,
  invalid,
  parseReference,
} from '../../base/index.ts';
import type { Cli } from '../cli.ts';
import { CliCommand } from '../grammar.ts';
import { pullImage } from '../pull-image.ts';

interface PullFlags {
  readonly allTags?: boolean;
  readonly platform?: string;
  readonly quiet?: boolean;
}

export function pullCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Download an image from a registry');
  command
    .usage('[OPTIONS] NAME[:TAG|@DIGEST]')
    .argument('<name>')
    .option('-a, --all-tags', 'Download all tagged images in the repository')
    .option('--platform <string>', 'Set platform if the registry has several')
    .option('-q, --quiet', 'Suppress verbose output')
    .action((name: string, flags: PullFlags) => pull(cli, name, flags));
  return command;
}

async function pull(cli: Cli, name: string, { allTags = false, platform, quiet = false }: PullFlags) {
  const reference = parseReference(name);
  const isTagged = /[:@][^/]*$/.test(name);
  if (allTags && isTagged) throw invalid(`tag can't be used with --all-tags/-a`);
  if (!allTags && !isTagged && !quiet) process.stdout.write('Using default tag: latest\n');
  const wanted = allTags ? familiarRepository(reference) : familiarName(reference);
  await pullImage(await cli.connect(), wanted, { platform, quiet, allTags, out: process.stdout });
  const got = allTags ? `${reference.domain}/${reference.path}` : canonicalName(reference);
  process.stdout.write(`${got}\n`);
}
