import type { BuildScope } from './build-scope.ts';
import type { BuildContext } from './context.ts';
import type { ContextEntry } from './context-entry.ts';
import { likelyEntries } from './context-sources.ts';
import { isFolders } from './received-context.ts';
import type { PlacedStage } from './stages.ts';

/**
 * Has a client begin to send what these stages take of its folder, as far as the Dockerfile alone tells; the steps themselves ask for
 * the rest. Resolves when that is over, never with an error: the step that needs what did not come meets it again.
 */
export async function loadContext(scope: BuildScope, stages: readonly PlacedStage[]): Promise<void> {
  const copies = stages.flatMap(({ instructions }) =>
    instructions.flatMap((one) => (one.kind === 'copy' && one.from === undefined ? one.sources : [])),
  );
  if (copies.length === 0 || !isFolders(scope.request.context)) return;
  const item = 'transferring context:';
  await scope.reports
    .run('[internal] load build context', async (report) => {
      const context = await scope.context();
      let bytes = 0;
      await context.load(wanted(context, copies), (more) => {
        bytes += more;
        report.progress(item, bytes);
      });
      report.progress(item, bytes, { isDone: true });
    })
    .catch(() => {});
}

function wanted(context: BuildContext, sources: readonly string[]): ContextEntry[] {
  return sources
    .filter((source) => !source.includes('$'))
    .flatMap((source) => likelyEntries(context, source));
}
