import { homedir } from 'node:os';
import { resolve } from 'node:path';
import { isPortProtocol } from '../base/index.ts';
import type { ServicePort, ServiceVolume } from './model.ts';

/** Splits a command line into arguments as a shell would: blanks, quotes, backslashes; nothing is expanded. */
export function splitCommand(text: string): string[] {
  const args: string[] = [];
  let current: string | undefined;
  let quote = '';
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (quote !== '') {
      if (character === quote) quote = '';
      else if (character === '\\' && quote === '"' && /["\\$`]/.test(text.charAt(at + 1)))
        current += text.charAt(++at);
      else current += character;
    } else if (/\s/.test(character)) {
      if (current !== undefined) args.push(current);
      current = undefined;
    } else {
      current ??= '';
      if (character === '"' || character === "'") quote = character;
      else current += character === '\\' ? text.charAt(++at) : character;
    }
  }
  if (quote !== '') throw new Error(`invalid command line string: a ${quote} is not closed`);
  return current === undefined ? args : [...args, current];
}

/** `[[ip:]host:]container[/protocol]`, with ranges. Throws a plain Error that shows the part that is wrong. */
export function parsePortShort(text: string): ServicePort[] {
  const [address = '', protocol = 'tcp'] = text.split('/');
  if (!isPortProtocol(protocol)) throw new Error(`invalid proto: ${protocol} in "${text}"`);
  const match = /^(?:(?:(\[[^\]]+\]|[^:]*):)?([^:]*):)?([^:]+)$/.exec(address);
  const [, ip = '', host = '', container = ''] = match ?? [];
  const containerPorts = portRange(container, text);
  const hostPorts = host === '' ? [] : portRange(host, text);
  if (hostPorts.length > 0 && hostPorts.length !== containerPorts.length && containerPorts.length > 1) {
    throw new Error(`invalid ranges specified for container and host ports: ${text}`);
  }
  return containerPorts.map((containerPort, index) => ({
    protocol,
    containerPort,
    hostIp: ip.replace(/^\[|\]$/g, ''),
    // A range for one container port: any free one of it.
    hostPort: hostPorts.length === containerPorts.length ? String(hostPorts[index]) : host,
  }));
}

function portRange(text: string, whole: string): number[] {
  const [, first, last = first] = /^(\d+)(?:-(\d+))?$/.exec(text) ?? [];
  const [from, to] = [Number(first), Number(last)];
  if (first === undefined || to < from || to > 65535) throw new Error(`invalid port "${text}" in "${whole}"`);
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

const PROPAGATIONS = ['private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave'];
/** z, Z (SELinux) and the consistency words mean nothing on Linux without SELinux, to Docker neither. */
const MOUNT_OPTIONS = ['ro', 'rw', 'nocopy', 'z', 'Z', 'cached', 'delegated', 'consistent', ...PROPAGATIONS];

/** `[source:]target[:options]`; a source that begins with ".", "/" or "~" is a folder, any other a named volume. */
export function parseVolumeShort(text: string, directory: string): ServiceVolume {
  const parts = text.split(':');
  const [first = '', second, optionText] = parts;
  if (first === '' || second === '' || parts.length > 3) throw new Error(`invalid volume "${text}"`);
  const options = optionText === undefined ? [] : optionText.split(',');
  const unknown = options.find((option) => !MOUNT_OPTIONS.includes(option));
  if (unknown !== undefined) throw new Error(`unknown option "${unknown}" in the volume "${text}"`);
  const readOnly = options.includes('ro');
  const isPath = second !== undefined && /^(?:[./]|~(?:\/|$))/.test(first);
  if (isPath) {
    const propagation = options.find((option) => PROPAGATIONS.includes(option));
    const source = hostPath(first, directory);
    return {
      type: 'bind',
      source,
      target: second,
      readOnly,
      createSource: true,
      propagation,
      recursive: undefined,
    };
  }
  const noCopy = options.includes('nocopy');
  const [source, target] = second === undefined ? ['', first] : [first, second];
  return { type: 'volume', source, target, readOnly, noCopy, subpath: undefined };
}

/** A path of the file, absolute. */
export function hostPath(path: string, directory: string): string {
  return resolve(directory, path.replace(/^~(?=\/|$)/, homedir()));
}
