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
  if (flags.pull === 'always') await pullFor(client, request, flags);
  const options = { name: flags.name, platform: flags.platform };
  const created = await client.containers.create(request, options).catch(async (error: unknown) => {
    const missing = isBerthError(error, 'not-found') && MISSING.test(error.message);
    if (!missing || flags.pull === 'never') throw error;
    const name = familiarName(parseReference(request.Image));
    if (flags.quiet !== true) process.stderr.write(`Unable to find image '${name}' locally\n`);
    await pullFor(client, request, flags);
    return client.containers.create(request, options);
  });
  for (const warning of created.Warnings ?? []) process.stderr.write(`WARNING: ${warning}\n`);
  if (flags.cidfile !== undefined) await writeFile(flags.cidfile, created.Id);
  return created.Id;
}

async function pullFor(
  client: EngineClient,
  { Image: image, HostConfig: host }: ContainerCreateRequest,
  { quiet, platform }: ContainerFlags,
): Promise<void> {
  const name = familiarName(parseReference(image));
  const options = { out: process.stderr, quiet };
  try {
    await pullImage(client, name, { ...options, platform });
  } catch (error) {
    const isMachine = [host?.Isolation, host?.Runtime].includes('vm');
    if (platform !== undefined || !isMachine || !isBerthError(error, 'not-found')) throw error;
    const other = await machinePlatform(client, name).catch(() => undefined); // the first error says more
    if (other === undefined) throw error;
    await pullImage(client, name, { ...options, platform: other });
  }
}

/** Of the platforms that an image is there for, the first that a virtual machine can have. */
async function machinePlatform(client: EngineClient, name: string): Promise<string | undefined> {
  const [{ Berth: berth }, platforms] = await Promise.all([
    client.system.info(),
    client.images.platformsAtRegistry(name),
  ]);
  const possible = (berth?.VirtualMachines.Architectures ?? []).map(({ Architecture }) => Architecture);
  const found = platforms.find(({ os, architecture }) => os === 'linux' && possible.includes(architecture));
  return found && `linux/${found.architecture}`;
}

function takenIdFile(path: string) {
  return invalid(`container ID file found: ${path}`, {
    hint: 'Is the other container still running? Delete the file, or name another',
  });
}
