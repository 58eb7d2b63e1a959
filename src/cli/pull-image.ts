import type { EngineClient } from '../client/index.ts';
import { type ProgressTarget, showProgress } from './output/progress.ts';

/** Downloads an image, showing the progress unless `quiet`. Throws what the engine or the registry says. */
export async function pullImage(
  client: EngineClient,
  name: string,
  options: { quiet?: boolean; platform?: string | undefined; allTags?: boolean; out: ProgressTarget },
): Promise<void> {
  const { quiet = false, platform, allTags, out } = options;
  const messages = client.images.pull(name, { platform, allTags });
  for await (const _ of quiet ? messages : showProgress(messages, out));
}
