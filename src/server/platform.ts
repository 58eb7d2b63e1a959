import { type Platform, parsePlatform } from '../registry/index.ts';
import type { Query } from './fields.ts';

/** The `platform` parameter: `os/architecture[/variant]`, or JSON (Engine API since 1.48, of load and save); undefined without one. */
export function platformOf(query: Query): Platform | undefined {
  const text = query.text('platform');
  if (text === '') return undefined;
  if (!text.startsWith('{')) return parsePlatform(text);
  const fields = query.json('platform');
  const variant = fields.text('variant');
  const parts = [fields.text('os'), fields.text('architecture'), ...(variant === '' ? [] : [variant])];
  return parsePlatform(parts.join('/'));
}
