import { posix } from 'node:path';
import { invalid } from '../base/index.ts';
import type { MountRequest, Submounts } from '../engine/index.ts';
import type { Fields } from './fields.ts';

/** The mounts in a HostConfig, from Binds and Mounts. Throws `invalid` in Docker's words, with the part that is wrong. */
export function parseMounts(host: Fields): MountRequest[] {
  return [...host.texts('Binds').map(parseBind), ...host.objects('Mounts').map(parseMount)];
}

/** HostConfig.Tmpfs: path → options. */
export function parseTmpfs(host: Fields): Record<string, string> {
  const entries = Object.entries(host.textMap('Tmpfs'));
  return Object.fromEntries(entries.map(([target, options]) => [cleanTarget(target), options]));
}

/** Words of a bind's mode by what they are about; of each kind there may be one (moby, volume/mounts/linux_parser.go). */
const MODES: Readonly<Record<string, string>> = {
  ro: 'writing',
  rw: 'writing',
  z: 'label',
  Z: 'label',
  nocopy: 'copy',
  rprivate: 'propagation',
  private: 'propagation',
  rshared: 'propagation',
  shared: 'propagation',
  rslave: 'propagation',
  slave: 'propagation',
  consistent: 'consistency',
  cached: 'consistency',
  delegated: 'consistency',
};

/** "source:target[:mode]"; a source with a slash in front is a folder of the host, else a volume. */
function parseBind(text: string): MountRequest {
  const [source = '', target = '', mode = '', ...more] = text.split(':');
  if (source === '' || target === '' || more.length > 0) {
    throw invalid(`invalid volume specification: '${text}'`);
  }
  const flags = mode.split(',').filter(Boolean);
  const kinds = flags.map((flag) => MODES[flag]);
  if (kinds.includes(undefined) || new Set(kinds).size < kinds.length) throw invalid(`invalid mode: ${mode}`);
  const propagation = flags.find((flag) => MODES[flag] === 'propagation');
  const isHostPath = source.startsWith('/');
  if (isHostPath ? flags.includes('nocopy') : propagation !== undefined) {
    throw invalid(`invalid mode: ${mode}`);
  }
  const common = { target: bindTarget(text, isHostPath, target), readOnly: flags.includes('ro'), bind: text };
  if (!isHostPath) return { type: 'volume', source, ...common, noCopy: flags.includes('nocopy') };
  return { type: 'bind', source, ...common, propagation: propagation ?? 'rprivate', createSource: true };
}

function bindTarget(text: string, isHostPath: boolean, target: string): string {
  try {
    return cleanTarget(target);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : '';
    const type = isHostPath ? 'bind' : 'volume';
    throw invalid(
      `invalid volume specification: '${text}': invalid mount config for type "${type}": ${reason}`,
      {
        cause,
      },
    );
  }
}

/** A mount point without needless slashes and dots; throws `invalid` in Docker's words. */
export function cleanTarget(target: string): string {
  if (!target.startsWith('/')) throw invalid(`invalid mount path: '${target}' mount path must be absolute`);
  const clean = posix.normalize(target).replace(/(.)\/+$/, '$1');
  if (clean === '/') throw invalid("invalid specification: destination can't be '/'");
  return clean;
}

const OPTIONS: Readonly<Record<string, string>> = {
  bind: 'BindOptions',
  volume: 'VolumeOptions',
  tmpfs: 'TmpfsOptions',
  image: 'ImageOptions',
};

function parseMount(mount: Fields): MountRequest {
  const type = mount.text('Type');
  const foreign = Object.entries(OPTIONS).find(([other, name]) => other !== type && mount.has(name));
  if (type in OPTIONS && foreign !== undefined) {
    throw invalid(`${foreign[1]} must not be specified on mount type "${type}"`);
  }
  try {
    return mountOfType(type, mount);
  } catch (error) {
    if (!(error instanceof Error) || !('kind' in error) || error.kind !== 'invalid') throw error;
    if (error.message.startsWith('invalid JSON')) throw error;
    throw invalid(`invalid mount config for type "${type}": ${error.message}`, { cause: error });
  }
}

function mountOfType(type: string, mount: Fields): MountRequest {
  const source = mount.text('Source');
  if (!(type in OPTIONS)) throw invalid('mount type unknown');
  if (mount.text('Target') === '') throw invalid('field Target must not be empty');
  const target = cleanTarget(mount.text('Target'));
  const readOnly = mount.flag('ReadOnly');
  switch (type) {
    case 'bind':
      return bindMount(source, target, readOnly, mount.object('BindOptions'));
    case 'volume':
      return volumeMount(source, target, readOnly, mount.object('VolumeOptions'));
    case 'tmpfs':
      if (source !== '') throw invalid('field Source must not be specified');
      return { type, target, options: tmpfsOptions(mount.object('TmpfsOptions'), readOnly) };
    default:
      if (source === '') throw invalid('field Source must not be empty');
      return {
        type: 'image',
        source,
        target,
        readOnly: true,
        subpath: relativeSubpath(mount.object('ImageOptions').text('Subpath')),
      };
  }
}

const PROPAGATIONS = ['private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave'];

function bindMount(source: string, target: string, readOnly: boolean, options: Fields): MountRequest {
  if (source === '') throw invalid('field Source must not be empty');
  if (!source.startsWith('/')) throw invalid(`invalid mount path: '${source}' mount path must be absolute`);
  const propagation = options.text('Propagation') || 'rprivate';
  if (!PROPAGATIONS.includes(propagation)) throw invalid(`invalid propagation mode: ${propagation}`);
  const submounts = submountsOf(options, readOnly);
  return {
    type: 'bind',
    source,
    target,
    readOnly,
    propagation,
    createSource: options.flag('CreateMountpoint'),
    ...(submounts === undefined ? {} : { submounts }),
  };
}

function submountsOf(options: Fields, readOnly: boolean): Submounts | undefined {
  const writable = options.flag('ReadOnlyNonRecursive');
  const forced = options.flag('ReadOnlyForceRecursive');
  if (writable && forced) {
    throw invalid('ReadOnlyNonRecursive and ReadOnlyForceRecursive cannot both be set');
  }
  if ((writable || forced) && !readOnly) {
    throw invalid(`${writable ? 'ReadOnlyNonRecursive' : 'ReadOnlyForceRecursive'} needs ReadOnly`);
  }
  if (options.flag('NonRecursive')) {
    if (forced) throw invalid('NonRecursive and ReadOnlyForceRecursive cannot both be set');
    return 'none';
  }
  return writable ? 'writable' : forced ? 'read-only' : undefined;
}

function volumeMount(source: string, target: string, readOnly: boolean, options: Fields): MountRequest {
  const subpath = options.text('Subpath');
  if (subpath !== '' && source === '') throw invalid('must not set Subpath when using anonymous volumes');
  const driver = options.object('DriverConfig');
  return {
    type: 'volume',
    source,
    target,
    readOnly,
    noCopy: options.flag('NoCopy'),
    subpath: relativeSubpath(subpath),
    driver: driver.text('Name'),
    driverOptions: driver.textMap('Options'),
    labels: options.textMap('Labels'),
  };
}

function relativeSubpath(path: string): string {
  if (path.startsWith('/') || posix.normalize(path).split('/').includes('..')) {
    throw invalid('subpath must be a relative path within the volume');
  }
  return path;
}

/** Options that a tmpfs of Mounts may have as words; size and mode are members (moby, volume/mounts/linux_parser.go). */
const TMPFS_WORDS = ['exec', 'noexec'];

function tmpfsOptions(options: Fields, readOnly: boolean): string {
  const size = options.number('SizeBytes');
  const mode = options.number('Mode');
  if (size < 0) throw invalid('SizeBytes must not be negative');
  const words = options.lists('Options').map(([name = '', ...values]) => {
    if (!TMPFS_WORDS.includes(name) || values.length > 0) throw invalid(`invalid option: ${name}`);
    return name;
  });
  return [
    ...(readOnly ? ['ro'] : []),
    ...(size > 0 ? [`size=${size}`] : []),
    ...(mode > 0 ? [`mode=${mode.toString(8)}`] : []),
    ...words,
  ].join(',');
}
