import { canonicalName, familiarName, notImplemented, parseReference } from '../../base/index.ts';
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
    .option('-a, --all-tags', 'Download all tagged images in the repository (not implemented)')
    .option('--platform <string>', 'Set platform if the registry has several')
    .option('-q, --quiet', 'Suppress verbose output')
    .action(async (name: string, flags: PullFlags) => {
      if (flags.allTags === true)
        throw notImplemented('pull --all-tags is not implemented', { hint: 'Name a tag' });
      const reference = parseReference(name);
      if (flags.quiet !== true && reference.tag === 'latest' && !/:latest(@|$)/.test(name))
        process.stdout.write('Using default tag: latest\n');
      await pullImage(await cli.connect(), familiarName(reference), { ...flags, out: process.stdout });
      process.stdout.write(`${canonicalName(reference)}\n`);
    });
  return command;
}
