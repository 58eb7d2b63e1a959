import { invalid, parseSize } from '../../base/index.ts';
import type { DeviceMapping, DeviceRate, DeviceRequest } from '../../client/index.ts';
import { splitPair } from '../filters.ts';

/** `vendor.com/class=name`: a device of a CDI specification, not a path. */
function isCdiName(text: string): boolean {
  return /^[a-zA-Z0-9][\w.-]*\/[a-zA-Z0-9][\w.-]*=[\w.:-]+$/.test(text);
}

/** What `--device` and `--gpus` ask for. */
export function parseDevices(
  devices: readonly string[],
  gpus: string | undefined,
): { readonly mappings: readonly DeviceMapping[]; readonly requests: readonly DeviceRequest[] } {
  const names = devices.filter(isCdiName);
  return {
    mappings: devices.filter((device) => !isCdiName(device)).map(parseDevice),
    requests: [
      ...(names.length === 0 ? [] : [{ Driver: 'cdi', DeviceIDs: names }]),
      ...(gpus === undefined ? [] : [parseGpus(gpus)]),
    ],
  };
}

/** `host[:container[:rwm]]`. */
function parseDevice(text: string): DeviceMapping {
  const [host = '', second, third, ...more] = text.split(':');
  const isMode = (part: string | undefined) => part !== undefined && /^[rwm]{1,3}$/.test(part);
  if (host === '' || more.length > 0) throw invalid(`invalid device specification: ${text}`);
  if (third !== undefined && !isMode(third)) {
    throw invalid(`invalid device specification: ${text}: "${third}" is no mode of the letters "rwm"`);
  }
  return {
    PathOnHost: host,
    PathInContainer: second === undefined || isMode(second) ? host : second,
    CgroupPermissions: third ?? (isMode(second) ? second : undefined) ?? 'rwm',
  };
}

/** `all`, a number, or `count=2,device=0,driver=x,capabilities=gpu` with quotes around what has commas. */
function parseGpus(text: string): DeviceRequest {
  if (/^(all|-?\d+)$/.test(text)) return { Count: gpuCount(text), Capabilities: [['gpu']] };
  let request: DeviceRequest = {};
  const capabilities = new Set(['gpu']);
  for (const field of text.match(/(?:"[^"]*"|[^,])+/g) ?? []) {
    const [key, value = ''] = splitPair(field.replace(/^"(.*)"$/, '$1'));
    const values = value.replace(/^"(.*)"$/, '$1').split(',');
    if (key === 'driver') request = { ...request, Driver: value };
    else if (key === 'count') request = { ...request, Count: gpuCount(value) };
    else if (key === 'device') request = { ...request, DeviceIDs: values };
    else if (key === 'capabilities') for (const capability of values) capabilities.add(capability);
    else throw invalid(`--gpus ${text}: unexpected key '${key}'`);
  }
  return { Count: request.DeviceIDs === undefined ? 1 : 0, ...request, Capabilities: [[...capabilities]] };
}

function gpuCount(text: string): number {
  if (text === 'all') return -1;
  if (!/^-?\d+$/.test(text)) throw invalid(`--gpus: count "${text}" is neither a number nor "all"`);
  return Number(text);
}

/** `PATH:RATE`; `parse` reads the rate. */
function deviceRate(text: string, parse: (text: string) => number): DeviceRate {
  const [path = '', rate, ...more] = text.split(':');
  if (rate === undefined || more.length > 0) throw invalid(`bad format: ${text}`);
  if (!path.startsWith('/dev/')) throw invalid(`bad format for device path: ${text}`);
  return { Path: path, Rate: parse(rate) };
}

/** Bytes per second, as "/dev/sda:1mb". */
export function parseByteRate(text: string): DeviceRate {
  return deviceRate(text, (rate) => {
    try {
      return parseSize(rate);
    } catch (cause) {
      throw invalid(`invalid rate for device: ${text}: the format is <device-path>:<number>[<unit>]`, {
        cause,
      });
    }
  });
}

/** Operations per second, as "/dev/sda:1000". */
export function parseOperationRate(text: string): DeviceRate {
  return deviceRate(text, (rate) => {
    if (/^\d+$/.test(rate)) return Number(rate);
    throw invalid(`invalid rate for device: ${text}: the format is <device-path>:<number>`);
  });
}

/** As "/dev/sda:300"; 0 or 10 to 1000. */
export function parseDeviceWeight(text: string): { readonly Path: string; readonly Weight: number } {
  const { Path, Rate } = deviceRate(text, Number);
  if (Rate !== 0 && !(Rate >= 10 && Rate <= 1000)) throw invalid(`invalid weight for device: ${text}`);
  return { Path, Weight: Rate };
}
