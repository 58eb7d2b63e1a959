import { type EngineClient, type LogOptions, outputChunks } from '../client/index.ts';
import type { LogLines } from './log-lines.ts';
import { ofEither } from './members.ts';
import type { ObservedContainer } from './observe.ts';
import { logLabel } from './selection.ts';

/** `compose logs`: what containers wrote, and with `follow` what they write until they end. */
export async function showLogs(
  client: EngineClient,
  project: string,
  containers: readonly ObservedContainer[],
  lines: LogLines,
  options: Omit<LogOptions, 'stdout' | 'stderr'>,
): Promise<void> {
  for (const { name } of containers) lines.add(logLabel(project, name));
  await Promise.all(
    containers.map(async ({ id, name }) => {
      const label = logLabel(project, name);
      for await (const chunk of outputChunks(
        await ofEither(client, (members) => members.logs(id, options)),
      )) {
        lines.write(label, chunk);
      }
      lines.end(label);
    }),
  );
}
