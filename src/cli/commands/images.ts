import { invalid, parseReference } from '../../base/index.ts';
import type { Filters } from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { parseFilters } from '../filters.ts';
import { CliCommand, listOption } from '../grammar.ts';
import { IMAGE_HEADERS, imageRows } from '../output/image-row.ts';
import { imageTree } from '../output/image-tree.ts';
import { formatRows } from '../output/table.ts';
import { forEachTarget } from '../targets.ts';

interface ImagesFlags {
  readonly all?: boolean;
  readonly digests?: boolean;
  readonly filter: readonly string[];
  readonly format?: string;
  /** True unless --no-trunc was given. */
  readonly trunc: boolean;
  readonly quiet?: boolean;
  readonly tree?: boolean;
}

export function imagesCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'List images');
  command
    .usage('[OPTIONS] [REPOSITORY[:TAG]]')
    .argument('[repository]')
    .option('-a, --all', 'Show all images (default hides intermediate images)')
    .option('--digests', 'Show digests')
    .addOption(listOption('-f, --filter <filter>', 'Filter output based on conditions provided'))
    .option('--format <string>', "Format output: 'table', 'table TEMPLATE', 'json' or a Go template")
    .option('--no-trunc', "Don't truncate output")
    .option('-q, --quiet', 'Only show image IDs')
    .option('--tree', 'List the platforms of each image below it')
    .action((repository: string | undefined, flags: ImagesFlags) => list(cli, repository, flags));
  return command;
}

export function removeImagesCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Remove one or more images');
  command
    .usage('[OPTIONS] IMAGE [IMAGE...]')
    .argument('<image...>')
    .option('-f, --force', 'Force removal of the image')
    .option('--no-prune', 'Do not delete untagged parents')
    .action(async (images: readonly string[], flags: { force?: boolean; prune: boolean }) => {
      const client = await cli.connect();
      await forEachTarget(cli, images, async (image) => {
        const deleted = await client.images.remove(image, {
          force: flags.force === true,
          noPrune: !flags.prune,
        });
        return deleted
          .map(({ Deleted, Untagged }) =>
            Deleted === undefined ? `Untagged: ${Untagged}` : `Deleted: ${Deleted}`,
          )
          .join('\n');
      });
    });
  return command;
}

export function tagCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE');
  command
    .usage('SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]')
    .argument('<source>')
    .argument('<target>')
    .action(async (source: string, target: string) => {
      if (parseReference(target).digest !== undefined)
        throw invalid('refusing to create a tag with a digest reference');
      await (await cli.connect()).images.tag(source, target);
    });
  return command;
}

async function list(cli: Cli, repository: string | undefined, flags: ImagesFlags): Promise<void> {
  const given = parseFilters(flags.filter);
  const filters = repository === undefined ? given : { ...given, reference: [repository] };
  const all = flags.all === true;
  if (flags.tree === true) return tree(cli, { all, filters }, flags);
  const client = await cli.connect();
  const images = await client.images.list({ all, filters, sharedSize: asksForSharedSize(flags.format) });
  const digests = flags.digests === true;
  const rows = images
    .toSorted((a, b) => b.Created - a.Created)
    .flatMap((image) => imageRows(image, flags.trunc, digests || flags.format?.includes('.Digest') === true));
  const text = formatRows(rows, {
    format: flags.format,
    defaultFormat: `table {{.Repository}}\\t{{.Tag}}\\t${digests ? '{{.Digest}}\\t' : ''}{{.ID}}\\t{{.CreatedSince}}\\t{{.Size}}`,
    quietField: flags.quiet === true ? 'ID' : undefined,
    headers: IMAGE_HEADERS,
  });
  process.stdout.write(text);
}

/** What images share is counted only where it is shown. */
function asksForSharedSize(format: string | undefined): boolean {
  return /\.(SharedSize|UniqueSize)\b/.test(format ?? '');
}

async function tree(
  cli: Cli,
  selection: { readonly all: boolean; readonly filters: Filters },
  flags: ImagesFlags,
): Promise<void> {
  const other = (['quiet', 'digests', 'format'] as const).find((name) => flags[name] !== undefined);
  if (other !== undefined) throw invalid(`--${other} is not yet supported with --tree`);
  if (!flags.trunc) throw invalid('--no-trunc is not yet supported with --tree');
  const client = await cli.connect();
  const images = await client.images.list({ ...selection, manifests: true });
  process.stdout.write(imageTree(images));
}
