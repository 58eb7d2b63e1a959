import { invalid, notFound, parseReference } from '../../base/index.ts';
import type { Cli } from '../cli.ts';
import { CliCommand, listOption } from '../grammar.ts';
import { KeptLists } from '../manifest/kept-lists.ts';
import { isKnownPlatform } from '../manifest/known-platforms.ts';
import { encodeList, type ListEntry, type ListPlatform, manifestOf } from '../manifest/list-entry.ts';
import { RegistryManifests } from '../manifest/registry-manifests.ts';

interface InsecureFlag {
  readonly insecure?: boolean;
}

const INSECURE = 'Allow plain http, and certificates that nobody trusts';

export function createManifestCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(
    path,
    'Create a local manifest list for annotating and pushing to a registry',
  );
  command
    .usage('MANIFEST_LIST MANIFEST [MANIFEST...]')
    .argument('<list>')
    .argument('<manifest...>')
    .option('-a, --amend', 'Amend an existing manifest list')
    .option('--insecure', INSECURE)
    .action(async (list: string, images: readonly string[], flags: InsecureFlag & { amend?: boolean }) => {
      const lists = new KeptLists(cli.env);
      if (flags.amend !== true && (await lists.entries(list)) !== undefined) {
        throw invalid('refusing to amend an existing manifest list with no --amend flag');
      }
      const registry = new RegistryManifests(cli.env, flags);
      const entries = await Promise.all(images.map((image) => registry.image(image)));
      for (const [index, entry] of entries.entries()) await lists.put(list, images[index] ?? '', entry);
      process.stdout.write(`Created manifest list ${list}\n`);
    });
  return command;
}

interface AnnotateFlags {
  readonly arch?: string;
  readonly os?: string;
  readonly osVersion?: string;
  readonly osFeatures: readonly string[];
  readonly variant?: string;
}

export function annotateManifestCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Add additional information to a local image manifest');
  command
    .usage('[OPTIONS] MANIFEST_LIST MANIFEST')
    .argument('<list>')
    .argument('<manifest>')
    .option('--arch <string>', 'Set architecture')
    .option('--os <string>', 'Set operating system')
    .addOption(listOption('--os-features <strings>', 'Set operating system feature'))
    .option('--os-version <string>', 'Set operating system version')
    .option('--variant <string>', 'Set architecture variant')
    .action((list: string, image: string, flags: AnnotateFlags) => annotate(cli, list, image, flags));
  return command;
}

async function annotate(cli: Cli, list: string, image: string, flags: AnnotateFlags): Promise<void> {
  const lists = new KeptLists(cli.env);
  const entry = await keptImage(lists, list, image);
  const { platform = { architecture: '', os: '' } } = entry.Descriptor;
  const features = flags.osFeatures.flatMap((text) => text.split(','));
  const changed: ListPlatform = {
    ...platform,
    ...(flags.arch === undefined ? {} : { architecture: flags.arch }),
    ...(flags.os === undefined ? {} : { os: flags.os }),
    ...(flags.osVersion === undefined ? {} : { 'os.version': flags.osVersion }),
    ...(features.length === 0
      ? {}
      : { 'os.features': [...new Set([...(platform['os.features'] ?? []), ...features])] }),
    ...(flags.variant === undefined ? {} : { variant: flags.variant }),
  };
  if (!isKnownPlatform(changed.os, changed.architecture)) {
    const pair = `${changed.os}/${changed.architecture}`;
    throw invalid(`manifest entry for image has unsupported os/arch combination: ${pair}`);
  }
  await lists.put(list, image, { ...entry, Descriptor: { ...entry.Descriptor, platform: changed } });
}

export function pushManifestCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Push a manifest list to a repository');
  command
    .usage('[OPTIONS] MANIFEST_LIST')
    .argument('<list>')
    .option('--insecure', INSECURE)
    .option('-p, --purge', 'Remove the local manifest list after push')
    .action(async (list: string, flags: InsecureFlag & { purge?: boolean }) => {
      const lists = new KeptLists(cli.env);
      const entries = await lists.entries(list);
      if (entries === undefined) throw notFound(`No such manifest: ${list}`);
      const tell = (line: string) => process.stdout.write(`${line}\n`);
      tell(await new RegistryManifests(cli.env, flags).push(list, entries, tell));
      if (flags.purge === true) await lists.remove(list);
    });
  return command;
}

export function removeManifestCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Delete one or more manifest lists from local storage');
  command
    .usage('MANIFEST_LIST [MANIFEST_LIST...]')
    .argument('<list...>')
    .action(async (names: readonly string[]) => {
      const lists = new KeptLists(cli.env);
      for (const list of names) {
        if (await lists.remove(list)) continue;
        process.stderr.write(`No such manifest: ${list}\n`);
        cli.exitCode = 1;
      }
    });
  return command;
}

interface InspectFlags extends InsecureFlag {
  readonly verbose?: boolean;
}

export function inspectManifestCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Display an image manifest, or manifest list');
  command
    .usage('[OPTIONS] [MANIFEST_LIST] MANIFEST')
    .argument('<list>')
    .argument('[manifest]')
    .option('--insecure', INSECURE)
    .option('-v, --verbose', 'Output additional info including layers and platform')
    .action(async (first: string, second: string | undefined, flags: InspectFlags) => {
      const text =
        second === undefined
          ? await inspectName(cli, first, flags)
          : describe(await keptImage(new KeptLists(cli.env), first, second), flags);
      process.stdout.write(`${text}\n`);
    });
  return command;
}

/** A list that was begun here, or else what the registry has under the name. */
async function inspectName(cli: Cli, name: string, flags: InspectFlags): Promise<string> {
  const kept = await new KeptLists(cli.env).entries(name);
  if (kept !== undefined) return flags.verbose ? pretty(kept) : encodeList(kept).bytes.toString();
  const registry = new RegistryManifests(cli.env, flags);
  const manifest = await registry.manifest(name);
  if (manifest.kind === 'index') {
    if (flags.verbose) return pretty(await registry.images(name, manifest));
    return JSON.stringify(JSON.parse(manifest.bytes.toString()), null, 3);
  }
  if (flags.verbose) return pretty(await registry.image(name));
  return pretty(JSON.parse(manifest.bytes.toString()));
}

function describe(entry: ListEntry, { verbose = false }: InspectFlags): string {
  return pretty(verbose ? entry : manifestOf(entry));
}

async function keptImage(lists: KeptLists, list: string, image: string): Promise<ListEntry> {
  const { domain, path, tag, digest } = parseReference(image);
  const entry = (await lists.entries(list))?.find(({ Ref }) => {
    const kept = parseReference(Ref);
    return kept.domain === domain && kept.path === path && kept.tag === tag && kept.digest === digest;
  });
  if (entry === undefined) throw notFound(`manifest for image ${image} does not exist in ${list}`);
  return entry;
}

const pretty = (value: unknown): string => JSON.stringify(value, null, '\t');
