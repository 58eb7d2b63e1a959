import { lookup } from 'node:dns/promises';
import { access, constants, stat } from 'node:fs/promises';
import { errorMessage, invalid, shortId, unavailable } from '../../../base/index.ts';
import type { LogPlan, LogSendPlan } from '../../../runtime/index.ts';
import type { ContainerRecord } from '../container.ts';
import { type AttributeOptions, type LogConfig, logSettings, type Receiver } from './options.ts';
import { expandTag, type TagValues } from './tag.ts';

const GZIP = ['/usr/bin/gzip', '/bin/gzip'];

/** Throws when this host cannot do what a log configuration asks for: a receiver's socket or gzip is missing. */
export async function requireLogging(config: LogConfig): Promise<void> {
  const { files, receiver } = logSettings(config);
  if (files?.compress === 'yes' && (await findGzip()) === undefined) {
    throw invalid(`the log option compress needs ${GZIP[0]}, which this host does not have`);
  }
  if (receiver?.address.kind === 'unix') await requireSocket(config.driver, receiver.address.path);
}

async function requireSocket(driver: string, path: string): Promise<void> {
  const status = await stat(path).catch(() => undefined);
  if (status?.isSocket() === true) return;
  throw invalid(`the log driver ${driver} is not enabled on this host: there is no socket ${path}`, {
    hint: 'Use --log-driver local or json-file',
  });
}

/** What the supervisor does with a container's output. `path` is that of the newest file. */
export async function logPlan(record: ContainerRecord, path: string): Promise<LogPlan> {
  const { config, host } = record;
  const { files, attributes, tag, receiver } = logSettings(host.log);
  const chosen = chooseAttributes(attributes, config.labels, config.env);
  const values = tagValues(record);
  const send = receiver === undefined ? {} : { send: await sendPlan(receiver, tag, values, chosen) };
  if (files === undefined) return { driver: 'none', path, maxSize: 0, maxFiles: 1, ...send };
  const compressor = files.compress === 'no' ? undefined : await findGzip();
  const stored =
    files.format === 'json-file' && tag !== '' ? { ...chosen, tag: expandTag(tag, values) } : chosen;
  return {
    driver: files.format,
    path,
    maxSize: files.maxSize,
    maxFiles: files.maxFiles,
    ...(Object.keys(stored).length === 0 || receiver !== undefined ? {} : { attributes: stored }),
    ...(compressor === undefined ? {} : { compressor }),
    ...send,
  };
}

async function findGzip(): Promise<string | undefined> {
  for (const path of GZIP) {
    if (
      await access(path, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return path;
  }
  return undefined;
}

/** Docker's rule (moby: daemon/logger/loginfo.go, ExtraAttributes). */
export function chooseAttributes(
  options: AttributeOptions,
  labels: Readonly<Record<string, string>>,
  env: readonly string[],
): Record<string, string> {
  const variables = Object.fromEntries(
    env.map((entry) => {
      const [name = '', ...value] = entry.split('=');
      return [name, value.join('=')];
    }),
  );
  return {
    ...pick(labels, options.labels, options.labelsRegex),
    ...pick(variables, options.env, options.envRegex),
  };
}

function pick(
  values: Readonly<Record<string, string>>,
  names: readonly string[],
  pattern: RegExp | undefined,
): Record<string, string> {
  const isChosen = (name: string) => names.includes(name) || pattern?.test(name) === true;
  return Object.fromEntries(Object.entries(values).filter(([name]) => isChosen(name)));
}

function tagValues({ id, name, imageId: digest, config }: ContainerRecord): TagValues {
  const imageId = digest ?? ''; // of a machine
  return {
    ID: shortId(id),
    FullID: id,
    Name: name,
    ImageID: shortId(imageId),
    ImageFullID: imageId,
    ImageName: config.image,
    DaemonName: 'docker',
  };
}

async function sendPlan(
  receiver: Receiver,
  tagTemplate: string,
  values: TagValues,
  attributes: Readonly<Record<string, string>>,
): Promise<LogSendPlan> {
  const tag = expandTag(tagTemplate === '' ? '{{.ID}}' : tagTemplate, values);
  return {
    format: receiver.format,
    address: await addressOf(receiver.address),
    facility: receiver.facility,
    constant: receiver.format === 'syslog' ? tag : journalFields(tag, values, attributes),
  };
}

async function addressOf(address: Receiver['address']): Promise<string> {
  if (address.kind === 'unix') return `unix:${address.path}`;
  try {
    return `${address.kind}:${(await lookup(address.host)).address}:${address.port}`;
  } catch (error) {
    throw unavailable(`the syslog server ${address.host} cannot be found: ${errorMessage(error)}`, {
      cause: error,
    });
  }
}

/** Docker's fields (moby: daemon/logger/journald); a value ends with its line. */
function journalFields(tag: string, values: TagValues, attributes: Readonly<Record<string, string>>): string {
  const fields = {
    CONTAINER_ID: values.ID,
    CONTAINER_ID_FULL: values.FullID,
    CONTAINER_NAME: values.Name,
    CONTAINER_TAG: tag,
    IMAGE_NAME: values.ImageName,
    SYSLOG_IDENTIFIER: tag,
    ...Object.fromEntries(Object.entries(attributes).map(([name, value]) => [journalName(name), value])),
  };
  return Object.entries(fields)
    .map(([name, value]) => `${name}=${value.replaceAll('\n', ' ')}\n`)
    .join('');
}

/** The journal knows capital letters, digits and underscores, and keeps those that begin with one to itself. */
function journalName(name: string): string {
  return name
    .toUpperCase()
    .replace(/[^A-Z0-9_]/g, '_')
    .replace(/^_+/, '');
}
