import type { EngineEvent } from '../engine/index.ts';
import { type Filters, passes, passesLabels } from './filters.ts';

/**
 * Whether an event passes the filters, by dockerd's rules (moby, daemon/events/filter.go): the filters of things match
 * the beginning of an event's id or name, whatever its type; those of images the whole name, with or without its tag.
 */
export function passesEvent(event: EngineEvent, filters: Filters): boolean {
  const { type, actor, attributes } = event;
  const names = [actor, attributes.name ?? ''];
  const begins = (filter: string) =>
    passes(filters, filter, (value) => names.some((name) => name.startsWith(value)));
  return (
    passes(filters, 'type', (value) => type === value) &&
    passesAction(event, filters) &&
    passesImage(event, filters) &&
    ['container', 'network', 'volume', 'daemon', 'plugin', 'service', 'node', 'secret', 'config'].every(
      begins,
    ) &&
    passes(filters, 'scope', (value) => value === 'local') &&
    passesLabels(filters, attributes)
  );
}

/** Actions with details behind a colon. */
const DETAILED = ['health_status', 'exec_create', 'exec_start'];

function passesAction({ action }: EngineEvent, filters: Filters): boolean {
  const isLoose = filters.get('event')?.some((value) => DETAILED.includes(value)) ?? false;
  return passes(filters, 'event', (value) => (isLoose ? action.startsWith(value) : action === value));
}

function passesImage({ type, actor, attributes }: EngineEvent, filters: Filters): boolean {
  const name = (type === 'image' ? attributes.name : attributes.image) ?? '';
  const known = [actor, name, withoutTag(actor), withoutTag(name)];
  return passes(filters, 'image', (value) => known.includes(value));
}

function withoutTag(name: string): string {
  return name.replace(/(@|:[^/:@]*$).*/, '');
}
