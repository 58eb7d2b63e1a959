import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { familiarName, invalid, isBerthError, parseReference } from '../../base/index.ts';
import type { ContainerCreateRequest, EngineClient } from '../../client/index.ts';
import { pullImage } from '../pull-image.ts';
import type { ContainerFlags } from './flags.ts';

/** How an engine says that it has no image of that name, or none for that platform. */
const MISSING = /no such image|does not provide the specified platform/i;

/** Creates a container, pulling its image as `--pull` says; returns its id. Shows the engine's warnings. */
export async function createContainer(
  client: EngineClient,
  request: ContainerCreateRequest,
  flags: ContainerFlags,
): Promise<string> {
  if (flags.cidfile !== undefined && existsSync(flags.cidfile)) throw takenIdFile(flags.cidfile);
  if (flags.pull === 'always') await pullFor(client, request.Image, flags);
  const options = { name: flags.name, platform: flags.platform };
  const created = await client.containers.create(request, options).catch(async (error: unknown) => {
    const missing = isBerthError(error, 'not-found') && MISSING.test(error.message);
    if (!missing || flags.pull === 'never') throw error;
    const name = familiarName(parseReference(request.Image));
    if (flags.quiet !== true) process.stderr.write(`Unable to find image '${name}' locally\n`);
    await pullFor(client, request.Image, flags);
    return client.containers.create(request, options);
  });
  for (const warning of created.Warnings ?? []) process.stderr.write(`WARNING: ${warning}\n`);
  if (flags.cidfile !== undefined) await writeFile(flags.cidfile, created.Id);
  return created.Id;
}

async function pullFor(client: EngineClient, image: string, flags: ContainerFlags): Promise<void> {
  await pullImage(client, familiarName(parseReference(image)), {
    out: process.stderr,
    quiet: flags.quiet,
    platform: flags.platform,
  });
}

function takenIdFile(path: string) {
  return invalid(`container ID file found: ${path}`, {
    hint: 'Is the other container still running? Delete the file, or name another',
  });
}
