import { invalid } from '../base/index.ts';
import type { SubnetSource } from '../network/index.ts';

/** One --default-address-pool, as dockerd writes it: "base=10.10.0.0/16,size=24". */
export function parseAddressPool(text: string): SubnetSource {
  const fields = new Map(text.split(',').map((field) => splitOnce(field)));
  const unknown = [...fields.keys()].find((key) => key !== 'base' && key !== 'size');
  if (unknown !== undefined) throw wrong(`--default-address-pool ${text}: unknown field "${unknown}"`);
  return addressPool(
    fields.get('base'),
    Number(fields.get('size') ?? Number.NaN),
    `--default-address-pool ${text}`,
  );
}

/** One of daemon.json's "default-address-pools". `where` names it in messages. */
export function addressPoolFrom(value: unknown, where: string): SubnetSource {
  const { base, size } =
    typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  return addressPool(base, size, where);
}

function addressPool(base: unknown, size: unknown, where: string): SubnetSource {
  if (typeof base !== 'string' || base === '') throw wrong(`${where}: the base is missing`);
  if (typeof size !== 'number' || !Number.isSafeInteger(size))
    throw wrong(`${where}: the size is missing or no number`);
  return { base, size };
}

function splitOnce(field: string): [string, string] {
  const at = field.indexOf('=');
  return at === -1 ? [field.trim(), ''] : [field.slice(0, at).trim(), field.slice(at + 1).trim()];
}

function wrong(message: string) {
  return invalid(message, {
    hint: 'A pool is a base, like 10.10.0.0/16, and a size, the prefix length of each network',
  });
}
