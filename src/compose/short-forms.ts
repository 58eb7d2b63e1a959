import { homedir } from 'node:os';
import { resolve } from 'node:path';
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
  if (protocol !== 'tcp' && protocol !== 'udp') throw new Error(`invalid proto: ${protocol} in "${text}"`);
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
    hostPort: hostPorts.length === 0 ? '' : String(hostPorts[index] ?? host),
  }));
}

function portRange(text: string, whole: string): number[] {
  const [, first, last = first] = /^(\d+)(?:-(\d+))?$/.exec(text) ?? [];
  const [from, to] = [Number(first), Number(last)];
  if (first === undefined || to < from || to > 65535) throw new Error(`invalid port "${text}" in "${whole}"`);
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

/** `[source:]target[:options]`; a source that begins with ".", "/" or "~" is a folder, any other a named volume. */
export function parseVolumeShort(text: string, directory: string): ServiceVolume {
  const [first = '', second, options = ''] = text.split(':');
  const readOnly = options.split(',').includes('ro');
  if (second === undefined) return { type: 'volume', source: '', target: first, readOnly: false };
  if (second === '' || first === '' || text.split(':').length > 3)
    throw new Error(`invalid volume "${text}"`);
  if (/^[./~]/.test(first)) {
    return { type: 'bind', source: hostPath(first, directory), target: second, readOnly, createSource: true };
  }
  return { type: 'volume', source: first, target: second, readOnly };
}

/** A path of the file, absolute. */
export function hostPath(path: string, directory: string): string {
  return resolve(directory, path.replace(/^~(?=\/|$)/, homedir()));
}
