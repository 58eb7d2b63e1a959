/** A Compose project: files merged, variables replaced, short forms made long (Compose Spec). */
export interface Project {
  readonly name: string;
  readonly directory: string;
  readonly files: readonly string[];
  readonly services: readonly Service[];
  readonly networks: readonly ProjectNetwork[];
  readonly volumes: readonly ProjectVolume[];
  /** For the user, once: what berth changed or ignored. */
  readonly warnings: readonly string[];
}

export interface Service {
  readonly name: string;
  readonly image: string | undefined;
  readonly build: ServiceBuild | undefined;
  readonly containerName: string | undefined;
  readonly command: readonly string[] | undefined;
  readonly entrypoint: readonly string[] | undefined;
  /** null: taken from the caller's environment. */
  readonly environment: ReadonlyMap<string, string | null>;
  readonly ports: readonly ServicePort[];
  readonly expose: readonly string[];
  readonly volumes: readonly ServiceVolume[];
  readonly networks: readonly ServiceNetwork[];
  readonly networkMode: string | undefined;
  readonly dependsOn: readonly Dependency[];
  readonly restart: string | undefined;
  readonly labels: ReadonlyMap<string, string | null>;
  readonly user: string | undefined;
  readonly workingDir: string | undefined;
  readonly hostname: string | undefined;
  readonly stdinOpen: boolean;
  readonly tty: boolean;
  readonly privileged: boolean;
  readonly readOnly: boolean;
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
  readonly securityOpt: readonly string[];
  readonly tmpfs: readonly string[];
  readonly extraHosts: readonly string[];
  readonly dns: readonly string[];
  readonly dnsSearch: readonly string[];
  readonly sysctls: ReadonlyMap<string, string | null>;
  /** Bytes. */
  readonly memory: number | undefined;
  readonly cpus: number | undefined;
  readonly pidsLimit: number | undefined;
  /** Bytes. */
  readonly shmSize: number | undefined;
  readonly stopSignal: string | undefined;
  /** Seconds. */
  readonly stopGracePeriod: number | undefined;
  readonly logging:
    | { readonly driver: string; readonly options: ReadonlyMap<string, string | null> }
    | undefined;
  readonly pullPolicy: string | undefined;
  readonly profiles: readonly string[];
  readonly scale: number;
}

export interface ServiceBuild {
  /** Absolute folder. */
  readonly context: string;
  readonly dockerfile: string;
  readonly args: ReadonlyMap<string, string | null>;
  readonly target: string | undefined;
  readonly labels: ReadonlyMap<string, string | null>;
  readonly tags: readonly string[];
  readonly noCache: boolean;
}

export interface ServicePort {
  readonly protocol: 'tcp' | 'udp';
  readonly containerPort: number;
  readonly hostIp: string;
  /** "" lets the kernel choose. */
  readonly hostPort: string;
}

export type ServiceVolume =
  | {
      readonly type: 'bind';
      /** Absolute. */
      readonly source: string;
      readonly target: string;
      readonly readOnly: boolean;
      readonly createSource: boolean;
    }
  | {
      readonly type: 'volume';
      /** A key of the project's volumes; "" for an anonymous one. */
      readonly source: string;
      readonly target: string;
      readonly readOnly: boolean;
    }
  | { readonly type: 'tmpfs'; readonly target: string };

export interface ServiceNetwork {
  /** A key of the project's networks. */
  readonly name: string;
  readonly aliases: readonly string[];
  readonly address: string | undefined;
}

export interface Dependency {
  readonly service: string;
  readonly condition: 'service_started' | 'service_healthy' | 'service_completed_successfully';
}

export interface ProjectNetwork {
  /** Its key in the file. */
  readonly key: string;
  /** Its name at the engine. */
  readonly name: string;
  readonly external: boolean;
  readonly driver: string | undefined;
  readonly internal: boolean;
  readonly subnet: string | undefined;
  readonly gateway: string | undefined;
  readonly labels: ReadonlyMap<string, string | null>;
  readonly driverOptions: ReadonlyMap<string, string | null>;
}

export interface ProjectVolume {
  readonly key: string;
  readonly name: string;
  readonly external: boolean;
  readonly driver: string | undefined;
  readonly labels: ReadonlyMap<string, string | null>;
  readonly driverOptions: ReadonlyMap<string, string | null>;
}
