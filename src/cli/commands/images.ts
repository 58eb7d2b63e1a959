import { familiarRepository, formatSize, invalid, parseReference, shortId } from '../../base/index.ts';
import type { ImageSummary } from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { parseFilters } from '../filters.ts';
import { CliCommand, listOption } from '../grammar.ts';
import { formatRows, type Row } from '../output/table.ts';
import { ago, formatTime } from '../output/words.ts';
import { forEachTarget } from '../targets.ts';

interface ImagesFlags {
  readonly all?: boolean;
  readonly digests?: boolean;
  readonly filter: readonly string[];
  readonly format?: string;
  /** True unless --no-trunc was given. */
  readonly trunc: boolean;
  readonly quiet?: boolean;
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

const HEADERS = {
  ID: 'IMAGE ID',
  Repository: 'REPOSITORY',
  Tag: 'TAG',
  Digest: 'DIGEST',
  CreatedSince: 'CREATED',
  CreatedAt: 'CREATED AT',
  Size: 'SIZE',
  VirtualSize: 'SIZE',
  Containers: 'CONTAINERS',
  SharedSize: 'SHARED SIZE',
  UniqueSize: 'UNIQUE SIZE',
};

async function list(cli: Cli, repository: string | undefined, flags: ImagesFlags): Promise<void> {
  const client = await cli.connect();
  const filters = parseFilters(flags.filter);
  const images = await client.images.list({
    all: flags.all === true,
    filters: repository === undefined ? filters : { ...filters, reference: [repository] },
  });
  const digests = flags.digests === true;
  const rows = images
    .toSorted((a, b) => b.Created - a.Created)
    .flatMap((image) => imageRows(image, flags.trunc, digests || flags.format?.includes('.Digest') === true));
  const text = formatRows(rows, {
    format: flags.format,
    defaultFormat: `table {{.Repository}}\\t{{.Tag}}\\t${digests ? '{{.Digest}}\\t' : ''}{{.ID}}\\t{{.CreatedSince}}\\t{{.Size}}`,
    quietField: flags.quiet === true ? 'ID' : undefined,
    headers: HEADERS,
  });
  process.stdout.write(text);
}

/** One row per name, as an image may have several; one without any name is "<none>". */
function imageRows(image: ImageSummary, truncate: boolean, digests: boolean): Row[] {
  const tags = (image.RepoTags ?? []).map(parseReference);
  const names = (image.RepoDigests ?? []).map(parseReference);
  const untagged = names.filter(
    (name) => !tags.some((tag) => familiarRepository(tag) === familiarRepository(name)),
  );
  const digestOf = (repository: string) =>
    names.find((name) => familiarRepository(name) === repository)?.digest ?? '<none>';
  const rows = [
    ...tags.map((tag) => ({ repository: familiarRepository(tag), tag: tag.tag ?? '<none>' })),
    ...untagged.map((name) => ({ repository: familiarRepository(name), tag: '<none>' })),
  ];
  if (rows.length === 0) rows.push({ repository: '<none>', tag: '<none>' });
  return rows.map(({ repository, tag }) => ({
    ID: truncate ? shortId(image.Id) : image.Id,
    Repository: repository,
    Tag: tag,
    Digest: digests ? digestOf(repository) : '<none>',
    CreatedSince: ago(image.Created),
    CreatedAt: formatTime(image.Created),
    Size: formatSize(image.Size),
    VirtualSize: formatSize(image.Size),
    Containers: image.Containers < 0 ? 'N/A' : String(image.Containers),
    SharedSize: image.SharedSize < 0 ? 'N/A' : formatSize(image.SharedSize),
    UniqueSize: image.SharedSize < 0 ? 'N/A' : formatSize(image.Size - image.SharedSize),
  }));
}
