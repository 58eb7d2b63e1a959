import { readdir } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';

/** Where a data root and its records differ. */
export interface Differences {
  /** Files and folders that no record knows. */
  readonly leaked: readonly string[];
  /** What records say is there, and is not. */
  readonly missing: readonly string[];
}

export const NO_DIFFERENCES: Differences = { leaked: [], missing: [] };

/**
 * Holds what lies below a data root against the records in its database, while nothing is going on in it. It reads the
 * database by itself: what berth believes does not count.
 */
export async function compareWithRecords(dataRoot: string): Promise<Differences> {
  const present = await presentPaths(dataRoot);
  const recorded = new Set([...recordedPaths(dataRoot), ...diskImages(present)]);
  return {
    leaked: [...present].filter((path) => !recorded.has(path)).sort(),
    missing: [...recorded].filter((path) => !present.has(path)).sort(),
  };
}

const FOLDERS = [
  'blobs/sha256',
  'layers',
  'tmp',
  'build',
  'build/steps',
  'containers',
  'volumes',
  'vm/images',
];

async function presentPaths(dataRoot: string): Promise<Set<string>> {
  const containers = await readdir(`${dataRoot}/containers`).catch(() => []);
  const folders = [...FOLDERS, ...containers.map((id) => `containers/${id}/disks`)]; // of those that are machines
  const paths = await Promise.all(
    folders.map(async (folder) => {
      const names = await readdir(`${dataRoot}/${folder}`).catch(() => []); // some are made when first used
      return names.map((name) => `${folder}/${name}`);
    }),
  );
  return new Set(paths.flat().filter((path) => path !== 'build/steps'));
}

function recordedPaths(dataRoot: string): Set<string> {
  using database = new DatabaseSync(`${dataRoot}/metadata.db`, { readOnly: true });
  const values = (sql: string) =>
    database
      .prepare(sql)
      .all()
      .map((row) => String(row.value));
  const keys = (collection: string) =>
    values(`SELECT key AS value FROM documents WHERE collection = '${collection}'`);
  const blobs = values(
    `SELECT id AS value FROM images
     UNION SELECT manifest_digest FROM images WHERE manifest_digest IS NOT NULL
     UNION SELECT source_index_digest FROM images WHERE source_index_digest IS NOT NULL
     UNION SELECT blob_digest FROM image_layers WHERE blob_digest IS NOT NULL`,
  );
  const layers = values(
    `SELECT substr(diff_id, 8) || CASE format WHEN 'erofs' THEN '.erofs' ELSE '' END AS value FROM layers`,
  );
  return new Set([
    ...blobs.map((digest) => `blobs/sha256/${digest.slice('sha256:'.length)}`),
    ...layers.map((layer) => `layers/${layer}`),
    ...keys('containers').map((id) => `containers/${id}`),
    ...values(
      `SELECT 'containers/' || documents.key || '/disks/' || json_extract(disk.value, '$.name') || '.qcow2' AS value
       FROM documents, json_each(document, '$.host.machine.disks') AS disk WHERE collection = 'containers'`,
    ),
    ...keys('volumes').map((name) => `volumes/${name}`),
  ]);
}

/** Disk images have their records beside them. */
function diskImages(present: ReadonlySet<string>): string[] {
  const records = [...present].filter((path) => /^vm\/images\/\w+\.(qcow2|raw)\.json$/.test(path));
  return records
    .map((path) => path.slice(0, -'.json'.length))
    .flatMap((path) => (present.has(path) ? [path, `${path}.json`] : []));
}
