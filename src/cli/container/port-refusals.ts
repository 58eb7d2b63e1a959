import type { EngineClient, EngineEvent } from '../../client/index.ts';

/**
 * Says on stderr when a published port has nobody behind it in the container while another port has (berth's event
 * `port-refused`). Resolves once the engine reports events to us; ends by the signal.
 */
export async function reportRefusedPorts(
  client: EngineClient,
  container: string,
  signal: AbortSignal,
): Promise<void> {
  const filters = { type: ['container'], container: [container], event: ['port-refused'] };
  const events = await client.system.events({ filters, signal });
  // Without the events the container runs just the same.
  void reportAll(events).catch(() => {});
}

async function reportAll(events: AsyncIterable<EngineEvent>): Promise<void> {
  const told = new Set<string>();
  for await (const { Action, Actor } of events) {
    if (Action !== 'port-refused') continue;
    const text = refusedPortText(Actor.Attributes);
    if (told.has(text)) continue;
    told.add(text);
    process.stderr.write(`berth: ${text}${process.stdin.isRaw ? '\r\n' : '\n'}`);
  }
}

/** The sentence for one event's attributes. */
export function refusedPortText(attributes: Readonly<Record<string, string>>): string {
  const { hostPort = '', containerPort = '', listening = '' } = attributes;
  const ports = listening.split(',').filter((port) => port !== '');
  const refused = `nothing listens on port ${containerPort} in the container (published as ${hostPort})`;
  if (ports.length === 0) return `${refused}, nor on any other`;
  const named = ports.length === 1 ? ports[0] : `${ports.slice(0, -1).join(', ')} and ${ports.at(-1)}`;
  return `${refused}; it listens on ${named}. Did you mean -p ${hostPort}:${ports[0]}?`;
}
