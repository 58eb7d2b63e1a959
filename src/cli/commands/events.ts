import { parseMoment } from '../../base/index.ts';
import type { EngineEvent } from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { parseFilters } from '../filters.ts';
import { CliCommand, listOption, parsedOption } from '../grammar.ts';
import { compileTemplate } from '../output/template.ts';

interface EventsFlags {
  readonly filter: readonly string[];
  readonly format?: string;
  readonly since?: string;
  readonly until?: string;
}

export function eventsCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Get real time events from the server');
  command
    .usage('[OPTIONS]')
    .addOption(listOption('-f, --filter <filter>', 'Filter output based on conditions provided'))
    .option('--format <string>', "Format output: 'json' or a Go template")
    .addOption(parsedOption('--since <string>', 'Show all events created since timestamp', parseMoment))
    .addOption(parsedOption('--until <string>', 'Stream events until this timestamp', parseMoment))
    .action(async ({ filter, format, since, until }: EventsFlags) => {
      const line = lineFormat(format);
      const client = await cli.connect();
      const events = await client.system.events({ filters: parseFilters(filter), since, until });
      for await (const event of events) process.stdout.write(`${line(event)}\n`);
    });
  return command;
}

/** Exported for its test. */
export function lineFormat(format: string | undefined): (event: EngineEvent) => string {
  if (format === undefined || format === '') return formatEvent;
  const template = compileTemplate(format === 'json' ? '{{json .}}' : format);
  return (event) => template.render(new EventFields(event));
}

/** An event by the names that templates have for its members in Docker; as JSON it is what the API sends. */
class EventFields {
  readonly Type: string;
  readonly Action: string;
  readonly Actor: EngineEvent['Actor'];
  readonly Scope: string;
  readonly Time: number;
  readonly TimeNano: number;
  /** Older names of the same: of containers and images only. */
  readonly Status: string;
  readonly ID: string;
  readonly From: string;
  readonly #event: EngineEvent;

  constructor(event: EngineEvent) {
    const { Type, Action, Actor, scope = '', time, timeNano } = event;
    const hasOlder = Type === 'container' || Type === 'image';
    this.Type = Type;
    this.Action = Action;
    this.Actor = Actor;
    this.Scope = scope;
    this.Time = time;
    this.TimeNano = timeNano;
    this.Status = hasOlder ? Action : '';
    this.ID = hasOlder ? Actor.ID : '';
    this.From = Type === 'container' ? (Actor.Attributes.image ?? '') : '';
    this.#event = event;
  }

  toJSON(): EngineEvent {
    return this.#event;
  }
}

/** `2026-11-25T01:04:56.123456789+00:00 container start ID (image=…, name=…)`. */
export function formatEvent({ Type, Action, Actor, time, timeNano }: EngineEvent): string {
  // A double has the moment to 256 ns only: more digits than microseconds would be made up.
  const microseconds = Math.max(0, Math.round((timeNano - time * 1e9) / 1000));
  const nanoseconds = `${String(microseconds).padStart(6, '0')}000`;
  const attributes = Object.entries(Actor.Attributes ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .sort()
    .join(', ');
  const moment = `${new Date(time * 1000).toISOString().slice(0, 19)}.${nanoseconds}Z`;
  return `${moment} ${Type} ${Action} ${Actor.ID}${attributes === '' ? '' : ` (${attributes})`}`;
}
