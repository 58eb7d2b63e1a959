import { canonicalName, invalid, notImplemented, parseReference, type Reference } from '../../base/index.ts';
import type { SolvedBuild } from '../builder.ts';
import type { BuildEvent } from '../contract.ts';
import { StepReports } from '../step-report.ts';
import type { SolveRequest } from './protocol/control_pb.ts';

/** What becomes of a build's result: an image in the store, under these names. */
export interface Exporter {
  readonly names: readonly Reference[];
}

const REFUSED_HINT = 'berth builds into its own image store: docker save and docker push take it from there';

/** What a request asks to be made of its result. Throws `not-implemented` for what berth does not make. */
export function exportersOf(request: SolveRequest): Exporter[] {
  const { exporterDeprecated: type, exporterAttrsDeprecated: attrs, exporters } = request;
  const asked = exporters.length === 0 && type !== '' ? [{ type, attrs }] : exporters;
  if (asked.length > 1) throw notImplemented('several outputs of one build are not there yet');
  return asked.map(({ type: kind, attrs: options }) => {
    if (kind !== 'moby' && kind !== 'image')
      throw notImplemented(`builds with the output type "${kind}" are not there yet`, { hint: REFUSED_HINT });
    // buildx pushes what is in a daemon's store by that daemon's own API; the type "image" is other clients'.
    if (kind === 'image' && options.push === 'true')
      throw notImplemented('pushing as a part of a build is not there yet', { hint: REFUSED_HINT });
    const annotation = Object.keys(options).find((name) => name.startsWith('annotation'));
    if (annotation !== undefined)
      throw notImplemented(`annotations of images (${annotation}) are not there yet`);
    return { names: namesOf(options.name ?? '') };
  });
}

function namesOf(list: string): Reference[] {
  return list
    .split(',')
    .filter(Boolean)
    .map((name) => {
      const reference = parseReference(name);
      if (reference.digest !== undefined) throw invalid(`build tag cannot contain a digest: ${name}`);
      return reference;
    });
}

/** Makes the image, and says what BuildKit says of one. */
export async function exportImage(
  build: SolvedBuild,
  { names }: Exporter,
  emit: (event: BuildEvent) => void,
  signal: AbortSignal,
): Promise<Record<string, string>> {
  return new StepReports(emit, signal, 'export').run('exporting to image', async (report) => {
    const image = await build.image(names);
    report.progress(`writing image ${image.id}`, 0, { isDone: true });
    for (const name of names) report.progress(`naming to ${canonicalName(name)}`, 0, { isDone: true });
    return {
      'containerimage.digest': image.id,
      'containerimage.config.digest': image.id,
      ...(names.length === 0 ? {} : { 'image.name': names.map((name) => canonicalName(name)).join(',') }),
    };
  });
}
