import { stringify } from 'yaml';
import { writeFileAtomic } from '../../../base/index.ts';
import type { FirstBootData, FirstBootMedia } from '../systems.ts';
import { isoImage } from './iso9660.ts';
import { renderNetworkConfig } from './network-config.ts';
import { renderUserData, requireFirstBoot } from './user-data.ts';

/** What cloud-init's NoCloud looks for among all media. */
const LABEL = 'CIDATA';

/** First-boot data as a medium of cloud-init's NoCloud: optical, as every system can read those. */
export const noCloudMedia: FirstBootMedia = {
  check: requireFirstBoot,
  async write(path, data) {
    requireFirstBoot(data);
    const files = [
      { name: 'meta-data', text: metaData(data) },
      { name: 'user-data', text: renderUserData(data) },
      ...(data.cards === undefined
        ? []
        : [{ name: 'network-config', text: renderNetworkConfig(data.cards) }]),
    ];
    const medium = files.map(({ name, text }) => ({ name, data: Buffer.from(text) }));
    await writeFileAtomic(path, isoImage(LABEL, medium, new Date())); // readable by its owner alone: it may hold secrets
  },
};

function metaData({ instance, hostname }: FirstBootData & { readonly instance: string }): string {
  return stringify({ 'instance-id': instance, 'local-hostname': hostname });
}
