/** One row of GET /images/json. */
export interface ImageSummary {
  readonly Id: string;
  readonly ParentId: string;
  readonly RepoTags: readonly string[] | null;
  readonly RepoDigests: readonly string[] | null;
  /** Unix seconds. */
  readonly Created: number;
  readonly Size: number;
  readonly SharedSize: number;
  readonly Containers: number;
  readonly Labels: Readonly<Record<string, string>> | null;
  /** Where they were asked for. */
  readonly Manifests?: readonly ImageManifest[] | null;
}

/** What an image has for one platform. */
export interface ImageManifest {
  readonly ID: string;
  readonly Available: boolean;
  readonly Kind: 'image' | 'attestation' | 'unknown';
  /** Bytes: of its blobs, and of those and its unpacked layers. */
  readonly Size: { readonly Content: number; readonly Total: number };
  /** For the kind "image". */
  readonly ImageData?: {
    readonly Platform: { readonly os: string; readonly architecture: string; readonly variant?: string };
    readonly Containers: readonly string[] | null;
    readonly Size: { readonly Unpacked: number };
  };
}

/** GET /images/{name}/json: the fields that this client reads. */
export interface ImageInspect {
  readonly Id: string;
  readonly RepoTags: readonly string[] | null;
  readonly RepoDigests: readonly string[] | null;
  readonly Created?: string;
  readonly Architecture: string;
  readonly Os: string;
  readonly Size: number;
  readonly Config?: {
    readonly Env?: readonly string[] | null;
    readonly Cmd?: readonly string[] | null;
    readonly Entrypoint?: readonly string[] | null;
    readonly ExposedPorts?: Readonly<Record<string, object>> | null;
    readonly Labels?: Readonly<Record<string, string>> | null;
    readonly Volumes?: Readonly<Record<string, object>> | null;
    readonly User?: string;
    readonly WorkingDir?: string;
  };
}

/** What happened to one name or layer of a removed image. */
export interface ImageDeletion {
  readonly Untagged?: string;
  readonly Deleted?: string;
}

export interface ImageHistoryEntry {
  readonly Id: string;
  /** Unix seconds. */
  readonly Created: number;
  readonly CreatedBy: string;
  readonly Tags: readonly string[] | null;
  readonly Size: number;
  readonly Comment: string;
}

export interface ImagesPruned {
  readonly ImagesDeleted: readonly ImageDeletion[] | null;
  readonly SpaceReclaimed: number;
}

/** The credentials for one registry (Engine API, "Authentication"). */
export interface RegistryAuth {
  readonly username?: string;
  readonly password?: string;
  readonly serveraddress?: string;
  readonly identitytoken?: string;
}

/** One repository that a registry's search has found. */
export interface SearchResult {
  readonly name: string;
  readonly description: string;
  readonly star_count: number;
  readonly is_official: boolean;
  readonly is_automated: boolean;
}
