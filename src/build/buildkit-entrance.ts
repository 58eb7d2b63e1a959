import type { Duplex } from 'node:stream';
import type { BuildKitFace, BuildKitParts } from './buildkit/face.ts';
import type { SessionHeaders } from './session-headers.ts';

/** BuildKit's protocol; what it takes is loaded when the first client asks for it. */
export class BuildKit {
  readonly #parts: BuildKitParts;
  #face: Promise<BuildKitFace> | undefined;

  constructor(parts: BuildKitParts) {
    this.#parts = parts;
  }

  /** Serves builds on a connection that HTTP has given away. */
  async serve(connection: Duplex): Promise<void> {
    (await this.#load()).serve(connection);
  }

  /** Takes over the connection of a session. */
  async attach(headers: SessionHeaders, connection: Duplex): Promise<void> {
    (await this.#load()).attach(headers, connection);
  }

  #load(): Promise<BuildKitFace> {
    this.#face ??= import('./buildkit/face.ts').then(({ BuildKitFace }) => new BuildKitFace(this.#parts));
    return this.#face;
  }
}
