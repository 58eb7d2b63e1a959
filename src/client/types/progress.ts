/** One message of a pull, push or build (jsonmessage.JSONMessage in moby). Which fields are there says what it is. */
export interface ProgressMessage {
  /** The layer that it is about. */
  readonly id?: string;
  readonly status?: string;
  /** Bytes, unless `units` says otherwise. */
  readonly progressDetail?: { readonly current?: number; readonly total?: number; readonly units?: string };
  /** Bytes that the layer will take on the way: berth's addition to its first message. */
  readonly size?: number;
  /** Output of a build step. */
  readonly stream?: string;
  readonly error?: string;
  readonly errorDetail?: { readonly code?: number; readonly message?: string };
  /** A result: a build's is `{ ID: "sha256:…" }`, a push's has the other members. */
  readonly aux?: {
    readonly ID?: string;
    readonly Tag?: string;
    readonly Digest?: string;
    readonly Size?: number;
    /** A push that had not all of an index's images sent one of them. */
    readonly manifestPushedInsteadOfIndex?: boolean;
    readonly originalIndex?: { readonly digest: string };
    readonly selectedManifest?: { readonly digest: string };
  };
}
