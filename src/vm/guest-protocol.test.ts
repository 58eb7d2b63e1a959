import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import * as protocol from './guest-protocol.ts';

const header = readFileSync(join(import.meta.dirname, '../../native/common/guest-protocol.h'), 'utf8');

/** The values of one enum of the C header, their names without the prefix and as TypeScript writes them. */
function enumInC(name: string, prefix: string): Record<string, number> {
  const body = new RegExp(`enum ${name} \\{(.*?)\\};`, 's').exec(header)?.[1] ?? '';
  const entries = [...body.matchAll(new RegExp(`\\b${prefix}_(\\w+) = (0x[0-9a-f]+|\\d+)`, 'g'))];
  return Object.fromEntries(entries.map(([, name = '', value]) => [camelCase(name), Number(value)]));
}

function camelCase(name: string): string {
  return name.toLowerCase().replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}

/** A definition of the C header: a text, or a product of numbers. */
function definitionInC(name: string): string | number | undefined {
  const value = new RegExp(`#define ${name} (.*)`).exec(header)?.[1] ?? '';
  if (value.startsWith('"')) return value.slice(1, -1);
  const [product = '', less = '0'] = value.replace(/[()u]/g, '').split(' - ');
  return product.split(' * ').reduce((total, factor) => total * Number(factor), 1) - Number(less);
}

describe("the guest's protocol", () => {
  test.each([
    { name: 'guest_message', prefix: 'GUEST', values: protocol.guestMessage },
    { name: 'guest_setup_tag', prefix: 'GUEST_SETUP', values: protocol.setupTag },
    { name: 'guest_interface_tag', prefix: 'GUEST_INTERFACE', values: protocol.interfaceTag },
    { name: 'guest_route_tag', prefix: 'GUEST_ROUTE', values: protocol.routeTag },
    { name: 'guest_file_tag', prefix: 'GUEST_FILE', values: protocol.fileTag },
    { name: 'guest_mount_tag', prefix: 'GUEST_MOUNT', values: protocol.mountTag },
    { name: 'guest_process_tag', prefix: 'GUEST_PROCESS', values: protocol.processTag },
    { name: 'guest_tag', prefix: 'GUEST_TAG', values: protocol.guestTag },
    { name: 'guest_record_tag', prefix: 'GUEST_RECORD', values: protocol.recordTag },
    { name: 'guest_worker', prefix: 'GUEST_WORKER', values: protocol.guestWorker },
    { name: 'guest_stream', prefix: 'GUEST_STREAM', values: protocol.guestStream },
  ])('has the same values of $name in C', ({ name, prefix, values }) => {
    expect(enumInC(name, prefix)).toEqual(values);
  });

  test.each([
    ['GUEST_PORT', protocol.GUEST_PORT],
    ['GUEST_VERSION', protocol.GUEST_VERSION],
    ['GUEST_MAIN_PROCESS', protocol.GUEST_MAIN_PROCESS],
    ['GUEST_WINDOW_BYTES', protocol.GUEST_WINDOW_BYTES],
    ['GUEST_STREAM_MAX', protocol.GUEST_STREAM_MAX],
    ['GUEST_LAYER_DISK', protocol.GUEST_LAYER_DISK],
    ['GUEST_WRITABLE_DISK', protocol.GUEST_WRITABLE_DISK],
    ['GUEST_SHARE_TAG', protocol.GUEST_SHARE_TAG],
    ['GUEST_SHARES_VARIABLE', protocol.GUEST_SHARES_VARIABLE],
  ])('has the same %s in C', (name, value) => {
    expect(definitionInC(name)).toBe(value);
  });
});
