import { nearestWord } from '../base/index.ts';
import { type LocatedMap, missingAt, type Position, wrongAt } from './located-yaml.ts';

/** Keys of one kind of mapping: those that berth has, and those of the Compose Spec that it has not yet. */
export interface KnownKeys {
  readonly supported: readonly string[];
  readonly missing: readonly string[];
}

const words = (text: string) => text.split(' ');

export const TOP_LEVEL: KnownKeys = {
  supported: words('version name services networks volumes'),
  missing: words('configs secrets include models'),
};

export const SERVICE: KnownKeys = {
  supported: words(
    'build image container_name command entrypoint environment env_file ports expose volumes networks network_mode ' +
      'depends_on restart labels user working_dir hostname domainname stdin_open tty init privileged read_only ' +
      'cap_add cap_drop group_add security_opt tmpfs extra_hosts dns dns_search dns_opt sysctls ulimits devices ' +
      'mem_limit mem_reservation memswap_limit cpus cpu_shares cpuset pids_limit oom_score_adj oom_kill_disable ' +
      'ipc pid uts userns_mode cgroup cgroup_parent runtime platform shm_size stop_signal stop_grace_period ' +
      'healthcheck logging pull_policy profiles scale deploy annotations blkio_config cpu_period cpu_quota ' +
      'device_cgroup_rules gpus mem_swappiness isolation storage_opt label_file volumes_from',
  ),
  missing: words(
    'attach configs cpu_count cpu_percent cpu_rt_period ' +
      'cpu_rt_runtime credential_spec develop extends external_links ' +
      'links mac_address models post_start pre_start pre_stop provider pull_refresh_after secrets ' +
      'use_api_socket volume_driver',
  ),
};

/** An extension of berth's to services. */
export const X_BERTH: KnownKeys = { supported: ['machine'], missing: [] };
export const MACHINE: KnownKeys = {
  supported: words('from cpus memory type firmware disks iso user ssh_keys packages run'),
  missing: [],
};
/** Those keys of a service that mean something for a machine. */
export const MACHINE_SERVICE: KnownKeys = {
  supported: words(
    'container_name ports networks depends_on restart labels label_file hostname mem_limit cpus deploy stop_grace_period ' +
      'healthcheck profiles scale',
  ),
  missing: [],
};

export const BLKIO: KnownKeys = {
  supported: words(
    'weight weight_device device_read_bps device_write_bps device_read_iops device_write_iops',
  ),
  missing: [],
};
export const BLKIO_RATE: KnownKeys = { supported: words('path rate'), missing: [] };
export const BLKIO_WEIGHT: KnownKeys = { supported: words('path weight'), missing: [] };
export const GPU: KnownKeys = {
  supported: words('driver count device_ids capabilities'),
  missing: ['options'],
};

export const BUILD: KnownKeys = {
  supported: words(
    'context dockerfile args target labels tags no_cache pull network extra_hosts cache_from shm_size isolation',
  ),
  missing: words(
    'additional_contexts cache_to dockerfile_inline entitlements no_cache_filter platforms privileged ' +
      'provenance sbom secrets ssh ulimits',
  ),
};

export const DEPLOY: KnownKeys = {
  supported: words('replicas resources restart_policy'),
  missing: words('endpoint_mode labels mode placement rollback_config update_config'),
};

export const RESOURCES: KnownKeys = { supported: words('limits reservations'), missing: [] };
export const LIMITS: KnownKeys = { supported: words('memory cpus pids'), missing: [] };
export const RESERVATIONS: KnownKeys = {
  supported: ['memory'],
  missing: words('cpus devices generic_resources'),
};

/** `delay` and `window` are Swarm's alone: Docker Compose takes and ignores them, too. */
export const RESTART_POLICY: KnownKeys = {
  supported: words('condition max_attempts delay window'),
  missing: [],
};

export const HEALTHCHECK: KnownKeys = {
  supported: words('test interval timeout start_period start_interval retries disable'),
  missing: [],
};

export const DEPENDENCY: KnownKeys = { supported: words('condition required restart'), missing: [] };
export const ENV_FILE: KnownKeys = { supported: words('path required'), missing: ['format'] };
export const LOGGING: KnownKeys = { supported: words('driver options'), missing: [] };
export const ULIMIT: KnownKeys = { supported: words('soft hard'), missing: [] };

/** `mode`, `name` and `app_protocol` change nothing for one engine. */
export const PORT: KnownKeys = {
  supported: words('target published host_ip protocol mode name app_protocol'),
  missing: [],
};

export const VOLUME_MOUNT: KnownKeys = {
  supported: words('type source target read_only bind volume tmpfs image consistency'),
  missing: [],
};

export const MOUNT_BIND: KnownKeys = {
  supported: words('create_host_path propagation recursive'),
  missing: words('selinux'),
};
export const MOUNT_VOLUME: KnownKeys = { supported: words('nocopy subpath'), missing: ['labels'] };
export const MOUNT_IMAGE: KnownKeys = { supported: ['subpath'], missing: [] };
export const MOUNT_TMPFS: KnownKeys = { supported: words('size mode'), missing: [] };

export const SERVICE_NETWORK: KnownKeys = {
  supported: words('aliases ipv4_address ipv6_address mac_address'),
  missing: words('link_local_ips driver_opts gw_priority priority interface_name'),
};

export const NETWORK: KnownKeys = {
  supported: words('name external driver internal attachable enable_ipv6 ipam labels driver_opts'),
  missing: ['enable_ipv4'],
};

export const IPAM: KnownKeys = { supported: words('driver config'), missing: ['options'] };
export const IPAM_POOL: KnownKeys = {
  supported: words('subnet ip_range gateway'),
  missing: ['aux_addresses'],
};

export const VOLUME: KnownKeys = {
  supported: words('name external driver labels driver_opts'),
  missing: [],
};

/** Refuses by name what is not there yet, and what Compose does not know. Keys that begin with "x-" are the user's. */
export function checkKeys(map: LocatedMap, { supported, missing }: KnownKeys): void {
  for (const [name, value] of map.entries) {
    if (supported.includes(name) || name.startsWith('x-')) continue;
    const at = map.keys.get(name) ?? value;
    if (missing.includes(name)) throw missingAt(at, `the key ${value.path} is not there yet`);
    throw unknownKey(at, value.path, name, [...supported, ...missing]);
  }
}

function unknownKey(at: Position, path: string, name: string, known: readonly string[]) {
  const nearest = nearestWord(name, known);
  return wrongAt(
    at,
    `${path}: additional properties '${name}' not allowed`,
    nearest === undefined ? undefined : `Did you mean ${nearest}?`,
  );
}
