import { invalid, parseReference } from '../../base/index.ts';
import type { Cli } from '../cli.ts';
import { CliCommand } from '../grammar.ts';
import { showProgress } from '../output/progress.ts';

interface PushFlags {
  readonly allTags?: boolean;
  readonly platform?: string;
  readonly quiet?: boolean;
}

export function pushCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Upload an image to a registry');
  command
    .usage('[OPTIONS] NAME[:TAG]')
    .argument('<name>')
    .option('-a, --all-tags', 'Push all tags of an image to the repository')
    .option('--platform <string>', 'Push the image for a platform only, of an index')
    .option('-q, --quiet', 'Suppress verbose output')
    .action((name: string, flags: PushFlags) => push(cli, name, flags));
  return command;
}

async function push(
  cli: Cli,
  name: string,
  { allTags = false, platform, quiet = false }: PushFlags,
): Promise<void> {
  const reference = parseReference(name);
  const isTagged = /:[^/]*$/.test(name);
  if (allTags && isTagged) throw invalid(`tag can't be used with --all-tags/-a`);
  if (!allTags && !isTagged && !quiet) process.stdout.write('Using default tag: latest\n');
  const messages = (await cli.connect()).images.push(name, { allTags, platform });
  for await (const { aux } of quiet ? messages : showProgress(messages, process.stdout)) {
    if (aux?.manifestPushedInsteadOfIndex !== true || quiet) continue;
    process.stdout.write(
      'Not all images of the index are here or at the registry: the one that is here was pushed alone\n' +
        `${aux.originalIndex?.digest} -> ${aux.selectedManifest?.digest}\n`,
    );
  }
  const tag = allTags ? '' : `:${reference.tag}`;
  if (quiet) process.stdout.write(`${reference.domain}/${reference.path}${tag}\n`);
}
