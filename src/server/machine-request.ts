import { invalid, nearestWord } from '../base/index.ts';
import type {
  MachineChange,
  NetworkAttachment,
  NewFirstBoot,
  NewMachine,
  NewMachineSource,
} from '../engine/index.ts';
import type { ComputerModel, DiskFormat, Firmware } from '../vm/index.ts';
import { parseEndpoint, parseHealthcheck, parseLog } from './container-request.ts';
import { parseRestart } from './container-resources.ts';
import type { Fields } from './fields.ts';
import { parsePorts, parseSelections } from './port-bindings.ts';

const MEMBERS = [
  ...['Source', 'Cpus', 'Memory', 'Model', 'Firmware', 'Disks', 'Iso', 'Networks', 'Ports', 'CloudInit'],
  ...['RestartPolicy', 'Labels', 'Healthcheck', 'StopTimeout', 'LogConfig'],
];

const MODELS: readonly ComputerModel[] = ['q35', 'pc', 'microvm'];
const FIRMWARES: readonly Firmware[] = ['bios', 'uefi'];
const FORMATS: readonly DiskFormat[] = ['qcow2', 'raw'];

/** Parses the body of POST /berth/machines/create. Throws `invalid` naming the member that is wrong. */
export function parseNewMachine(name: string, body: Fields): NewMachine {
  refuseUnknown(body, MEMBERS, '');
  return {
    name,
    source: parseSource(body.object('Source')),
    cpus: positive(body, 'Cpus'),
    memory: bytes(body, 'Memory'),
    model: oneOf(body, 'Model', MODELS, 'machine type'),
    firmware: oneOf(body, 'Firmware', FIRMWARES, 'firmware'),
    disks: body.objects('Disks').map(parseDisk),
    iso: hostPath(body, 'Iso'),
    networks: parseNetworks(body),
    ports: parsePorts(body.object('Ports')),
    firstBoot: parseFirstBoot(body.object('CloudInit')),
    restart: parseRestart(body.object('RestartPolicy')),
    labels: body.textMap('Labels'),
    healthcheck: body.has('Healthcheck') ? parseHealthcheck(body.object('Healthcheck')) : undefined,
    log: body.has('LogConfig') ? parseLog(body.object('LogConfig')) : undefined,
    stopTimeout: body.has('StopTimeout') ? body.number('StopTimeout') : undefined,
  };
}

/** Parses the body of POST /berth/machines/{id}/set. Throws `invalid` naming the member that is wrong. */
export function parseMachineChange(body: Fields): MachineChange {
  refuseUnknown(body, CHANGEABLE, '');
  const policy = body.object('RestartPolicy');
  return {
    cpus: positive(body, 'Cpus'),
    memory: bytes(body, 'Memory'),
    model: oneOf(body, 'Model', MODELS, 'machine type'),
    firmware: oneOf(body, 'Firmware', FIRMWARES, 'firmware'),
    disks: body.objects('Disks').map(parseDisk),
    iso: body.has('Iso') && body.text('Iso') === '' ? null : hostPath(body, 'Iso'),
    restart: policy.text('Name') === '' ? undefined : parseRestart(policy),
    stopTimeout: body.has('StopTimeout') ? body.number('StopTimeout') : undefined,
    ports: {
      add: parsePorts(body.object('PublishAdd')),
      remove: parseSelections(body.object('PublishRemove')),
    },
  };
}

const CHANGEABLE = [
  ...['Cpus', 'Memory', 'Model', 'Firmware', 'Disks', 'Iso', 'RestartPolicy', 'StopTimeout'],
  ...['PublishAdd', 'PublishRemove'],
];

/** A member of another name would be without any effect, which nobody would see. */
function refuseUnknown(fields: Fields, known: readonly string[], path: string): void {
  const unknown = fields.names().find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const nearest = nearestWord(unknown, known);
  throw invalid(`${path}${unknown} is no member of a machine's description`, {
    hint: nearest === undefined ? `There are ${known.join(', ')}` : `Did you mean ${path}${nearest}?`,
  });
}

function parseSource(source: Fields): NewMachineSource {
  refuseUnknown(source, ['Kind', 'Path', 'Url', 'Sha256', 'Format', 'Release'], 'Source.');
  const kind = source.text('Kind', 'empty');
  switch (kind) {
    case 'empty':
      return { kind };
    case 'debian':
      return { kind, release: source.text('Release') };
    case 'image':
      return parseImage(source);
    default:
      throw invalid(`Source.Kind: "${kind}" is none of image, debian and empty`);
  }
}

function parseImage(source: Fields): NewMachineSource {
  const format = oneOf(source, 'Format', FORMATS, 'format of disk images');
  if (source.has('Path') === source.has('Url')) {
    throw invalid('Source: an image has either a Path or a Url');
  }
  if (!source.has('Url')) return { kind: 'file', path: absolute(source.text('Path'), 'Source.Path'), format };
  const sha256 = source.text('Sha256').toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(sha256)) {
    throw invalid('Source.Sha256: what is downloaded needs its sha256, 64 hexadecimal digits', {
      hint: 'Take it from where the image is published: URL#sha256=…',
    });
  }
  return { kind: 'url', url: parseUrl(source.text('Url')), sha256, format };
}

function parseUrl(text: string): URL {
  const url = URL.parse(text);
  if (url !== null && ['http:', 'https:'].includes(url.protocol)) return url;
  throw invalid(`Source.Url: "${text}" is no URL of http or https`);
}

function parseDisk(disk: Fields) {
  refuseUnknown(disk, ['Name', 'Size'], 'Disks.');
  const name = disk.text('Name');
  const size = bytes(disk, 'Size');
  if (size === undefined) throw invalid(`the disk "${name}" has no size`);
  return { name, size };
}

/** Without the member, the default network; "none" alone: no network at all. */
function parseNetworks(body: Fields): NetworkAttachment[] {
  if (!body.has('Networks')) return [parseEndpoint('bridge', body.object('Networks').object('bridge'))];
  const networks = body.object('Networks');
  const names = networks.names();
  if (names.length === 1 && names[0] === 'none') return [];
  return names.map((network) =>
    parseEndpoint(network === 'default' ? 'bridge' : network, networks.object(network)),
  );
}

function parseFirstBoot(cloudInit: Fields): NewFirstBoot {
  refuseUnknown(cloudInit, ['Hostname', 'User', 'SshKeys', 'Packages', 'Run', 'UserData'], 'CloudInit.');
  return {
    hostname: cloudInit.text('Hostname') || undefined,
    user: cloudInit.text('User') || undefined,
    sshKeys: cloudInit.texts('SshKeys'),
    packages: cloudInit.texts('Packages'),
    run: cloudInit.texts('Run'),
    userData: cloudInit.text('UserData') || undefined,
  };
}

function oneOf<Word extends string>(
  fields: Fields,
  member: string,
  words: readonly Word[],
  what: string,
): Word | undefined {
  const text = fields.text(member);
  const found = words.find((word) => word === text);
  if (found !== undefined || text === '') return found;
  throw invalid(`there is no ${what} ${text}`, { hint: `Choose one of ${words.join(', ')}` });
}

function positive(fields: Fields, member: string): number | undefined {
  if (!fields.has(member)) return undefined;
  const value = fields.number(member);
  if (value > 0) return value;
  throw invalid(`${member}: ${value} is not more than 0`);
}

function bytes(fields: Fields, member: string): number | undefined {
  const value = positive(fields, member);
  if (value === undefined || Number.isSafeInteger(value)) return value;
  throw invalid(`${member}: ${value} is no number of bytes`);
}

function hostPath(fields: Fields, member: string): string | undefined {
  return fields.has(member) ? absolute(fields.text(member), member) : undefined;
}

function absolute(path: string, member: string): string {
  if (path.startsWith('/')) return path;
  throw invalid(`${member}: "${path}" is no absolute path on the host of berthd`);
}
