import { API_VERSION } from '../../src/server/versions.ts';
import { normalise, parseBody } from './normalise.ts';
import type { Recorded, RequestStep, Script } from './script.ts';
import { send, sendHijack } from './send.ts';

/**
 * Runs a script against the daemon at a socket; returns what it answered, normalised. `registry` is the host of one that has
 * the stand-ins: `{registry}` in requests.
 */
export async function record(socketPath: string, script: Script, registry: string): Promise<Recorded[]> {
  const saved = new Map<string, string>([['registry', registry]]);
  const fill = (text: string) =>
    text.replace(/\{(\w+)\}/g, (_, name: string) => saved.get(name) ?? `unknown-${name}`);
  const recorded: Recorded[] = [];
  for (const step of script.steps) {
    const line = versioned(fill(step.request));
    const answer =
      step.kind === 'hijack'
        ? await sendHijack(socketPath, step, line)
        : await send(socketPath, step, line, typeof step.body === 'function' ? await step.body() : step.body);
    const body = parseBody(answer.contentType, answer.body);
    for (const [name, member] of Object.entries(step.save ?? {}))
      saved.set(name, String(memberOf(body, member)));
    recorded.push({
      step: step.name,
      status: answer.status,
      contentType: answer.contentType,
      body: normalise(step.kind === 'hijack' ? body : selectLines(step, body)),
    });
  }
  return JSON.parse(JSON.stringify(recorded).replaceAll(registry, 'REGISTRY')) as Recorded[];
}

/** Both daemons are asked in the version that berth serves. */
function versioned(line: string): string {
  return / \/(v\d|_ping)/.test(line) ? line : line.replace(' /', ` /v${API_VERSION}/`);
}

/** Progress streams vary in number and order; their distinct values do not. */
function selectLines(step: RequestStep, body: unknown): unknown {
  if (step.keys === true) return namesOf(body);
  if (step.lines === undefined) return body;
  const lines = Array.isArray(body) ? body : [body];
  const members = step.lines;
  const values = lines.flatMap((line: unknown) =>
    members.map((name) => memberOf(line, name)).filter((value) => value !== undefined),
  );
  return [...new Set(values.map((value) => JSON.stringify(normalise(value))))].map((text) =>
    JSON.parse(text),
  );
}

/** The names of an object's members, or of those of a list's first object, each as a member. */
function namesOf(body: unknown): Record<string, true> {
  const object: unknown = Array.isArray(body) ? body[0] : body;
  return typeof object === 'object' && object !== null
    ? Object.fromEntries(Object.keys(object).map((name) => [name, true]))
    : {};
}

function memberOf(body: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((value, name) => {
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
  }, body);
}
