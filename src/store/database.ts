import { DatabaseSync, type SQLOutputValue, type StatementSync } from 'node:sqlite';
import { internal, noSpace } from '../base/index.ts';

/**
 * The schema, as the changes that led to it. A database that has seen the first n of them has `user_version` n.
 * To change the schema, append; never edit what a release has shipped.
 */
const MIGRATIONS: readonly string[] = [
  `
  -- Layers that are unpacked whole, under layers/.
  CREATE TABLE layers (
    diff_id TEXT PRIMARY KEY,
    format TEXT NOT NULL CHECK (format IN ('erofs', 'folder')),
    size INTEGER NOT NULL              -- bytes of the files in it
  ) STRICT, WITHOUT ROWID;

  -- Images; the config is the blob of that digest.
  CREATE TABLE images (
    id TEXT PRIMARY KEY,
    manifest TEXT,                     -- descriptor as JSON, where it was pulled or loaded
    manifest_digest TEXT,
    hidden INTEGER NOT NULL            -- 1: an intermediate result of the builder
  ) STRICT, WITHOUT ROWID;

  -- Bottom layer first, position from 0.
  CREATE TABLE image_layers (
    image_id TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    diff_id TEXT NOT NULL REFERENCES layers (diff_id),
    blob TEXT,                         -- descriptor of the compressed layer as JSON
    blob_digest TEXT,
    PRIMARY KEY (image_id, position)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX image_layers_by_diff_id ON image_layers (diff_id);
  CREATE INDEX image_layers_by_blob ON image_layers (blob_digest);

  -- docker.io/library/debian:latest
  CREATE TABLE tags (
    name TEXT PRIMARY KEY,
    image_id TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX tags_by_image ON tags (image_id);

  -- docker.io/library/debian@sha256:…; an index's digest may name an image per platform.
  CREATE TABLE repo_digests (
    name TEXT NOT NULL,
    image_id TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    PRIMARY KEY (name, image_id)
  ) STRICT;
  CREATE INDEX repo_digests_by_image ON repo_digests (image_id);

  CREATE TABLE documents (
    collection TEXT NOT NULL,
    key TEXT NOT NULL,
    document TEXT NOT NULL,            -- JSON
    PRIMARY KEY (collection, key)
  ) STRICT, WITHOUT ROWID;
  `,
  'ALTER TABLE tags ADD COLUMN tagged_at TEXT; -- ISO 8601, UTC; unknown for names from before',
  'ALTER TABLE layers ADD COLUMN fingerprint TEXT; -- sha256 of the image file, where the blob was discarded',
  `
  -- The index that last named the image at a registry, as JSON: kept so that it can be pushed whole.
  ALTER TABLE images ADD COLUMN source_index TEXT;
  ALTER TABLE images ADD COLUMN source_index_digest TEXT;
  `,
];

export const SCHEMA_VERSION = MIGRATIONS.length;

export type Row = Record<string, SQLOutputValue>;

/**
 * The metadata database: SQLite in WAL mode with `synchronous=FULL`, so that a commit survives power loss. One
 * connection; everything is synchronous, so no two changes interleave.
 */
export class Database implements Disposable {
  readonly #connection: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #depth = 0;

  /** Opens or creates the file and brings its schema up to date. Throws `internal` for one of a newer berth. */
  constructor(path: string) {
    this.#connection = new DatabaseSync(path, { enableForeignKeyConstraints: true, timeout: 5000 });
    this.#connection.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
    this.#migrate(path);
  }

  all(sql: string, ...values: (string | number | null)[]): Row[] {
    return this.#statement(sql).all(...values);
  }

  get(sql: string, ...values: (string | number | null)[]): Row | undefined {
    return this.#statement(sql).get(...values);
  }

  /** Returns how many rows changed. */
  run(sql: string, ...values: (string | number | null)[]): number {
    return Number(refusedWhenFull(() => this.#statement(sql).run(...values)).changes);
  }

  /**
   * Does changes without waiting for the disk: the next one that waits brings them to it, too. In a transaction its end
   * decides.
   */
  buffered<T>(work: () => T): T {
    if (this.#depth > 0) return work();
    this.#connection.exec('PRAGMA synchronous = NORMAL');
    try {
      return work();
    } finally {
      this.#connection.exec('PRAGMA synchronous = FULL');
    }
  }

  /** A number that every change of the database makes larger. */
  changes(): number {
    return integer(this.get('SELECT total_changes() AS changes') ?? {}, 'changes');
  }

  /** All of the synchronous work's changes are made, or none if it throws. May be nested. */
  transaction<T>(work: () => T): T {
    const name = `level_${this.#depth}`;
    this.#connection.exec(this.#depth === 0 ? 'BEGIN IMMEDIATE' : `SAVEPOINT ${name}`);
    this.#depth += 1;
    try {
      const result = work();
      if (result instanceof Promise) throw internal('the work of a transaction must be synchronous');
      this.#depth -= 1;
      const end = this.#depth === 0 ? 'COMMIT' : `RELEASE ${name}`;
      refusedWhenFull(() => this.#connection.exec(end));
      return result;
    } catch (error) {
      this.#depth = Number(name.slice('level_'.length));
      if (this.#connection.isTransaction) {
        this.#connection.exec(this.#depth === 0 ? 'ROLLBACK' : `ROLLBACK TO ${name}; RELEASE ${name}`);
      }
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#statements.clear();
    if (this.#connection.isOpen) this.#connection.close();
  }

  #statement(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#connection.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }

  #migrate(path: string): void {
    const version = integer(this.get('PRAGMA user_version') ?? {}, 'user_version');
    if (version > SCHEMA_VERSION) {
      throw internal(`${path} has schema ${version}, this version of berth knows up to ${SCHEMA_VERSION}`, {
        hint: 'Start the newer version of berth that made it, or use another data root',
      });
    }
    for (const [index, migration] of MIGRATIONS.entries()) {
      if (index < version) continue;
      this.transaction(() => {
        this.#connection.exec(migration);
        this.#connection.exec(`PRAGMA user_version = ${index + 1}`);
      });
    }
  }
}

/** SQLITE_FULL (sqlite.org/rescode.html) as the error that a full disk is everywhere. */
function refusedWhenFull<T>(change: () => T): T {
  try {
    return change();
  } catch (error) {
    if (error instanceof Error && 'errcode' in error && error.errcode === SQLITE_FULL) throw noSpace(error);
    throw error;
  }
}

const SQLITE_FULL = 13;

/** A column that the schema says is text. */
export function text(row: Row, column: string): string {
  const value = row[column];
  if (typeof value === 'string') return value;
  throw internal(`the metadata database has no text in the column ${column}`);
}

export function optionalText(row: Row, column: string): string | undefined {
  return row[column] === null ? undefined : text(row, column);
}

/** A column that the schema says is an integer. */
export function integer(row: Row, column: string): number {
  const value = row[column];
  if (typeof value === 'number') return value;
  throw internal(`the metadata database has no integer in the column ${column}`);
}
