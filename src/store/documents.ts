import type { DocumentStore } from './contract.ts';
import { type Database, text } from './database.ts';

const PUT = 'INSERT OR REPLACE INTO documents (collection, key, document) VALUES (?, ?, ?)';

/** Documents as JSON in the metadata database. What was put is what comes back; who reads knows its type. */
export class DatabaseDocumentStore implements DocumentStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  all<T>(collection: string): readonly { key: string; document: T }[] {
    return this.#database
      .all('SELECT key, document FROM documents WHERE collection = ? ORDER BY key', collection)
      .map((row) => ({ key: text(row, 'key'), document: JSON.parse(text(row, 'document')) as T }));
  }

  get<T>(collection: string, key: string): T | undefined {
    const row = this.#database.get(
      'SELECT document FROM documents WHERE collection = ? AND key = ?',
      collection,
      key,
    );
    return row === undefined ? undefined : (JSON.parse(text(row, 'document')) as T);
  }

  put(collection: string, key: string, document: unknown): void {
    this.#database.run(PUT, collection, key, JSON.stringify(document));
  }

  buffered<T>(work: () => T): T {
    return this.#database.buffered(work);
  }

  delete(collection: string, key: string): void {
    this.#database.run('DELETE FROM documents WHERE collection = ? AND key = ?', collection, key);
  }

  transaction<T>(work: () => T): T {
    return this.#database.transaction(work);
  }
}
