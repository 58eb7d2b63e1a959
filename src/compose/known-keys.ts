import { type Located, type LocatedMap, missingAt, wrongAt } from './located-yaml.ts';

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
      'depends_on restart labels user working_dir hostname stdin_open tty privileged read_only cap_add cap_drop ' +
      'security_opt tmpfs extra_hosts dns dns_search sysctls mem_limit cpus pids_limit shm_size stop_signal ' +
      'stop_grace_period logging pull_policy profiles scale deploy',
  ),
  missing: words(
    'annotations attach blkio_config cgroup cgroup_parent configs cpu_count cpu_percent cpu_period cpu_quota ' +
      'cpu_rt_period cpu_rt_runtime cpu_shares cpuset credential_spec develop device_cgroup_rules devices dns_opt ' +
      'domainname extends external_links gpus group_add healthcheck init ipc isolation label_file links mac_address ' +
      'mem_reservation mem_swappiness memswap_limit models oom_kill_disable oom_score_adj pid platform post_start ' +
      'pre_stop provider runtime secrets storage_opt ulimits use_api_socket userns_mode uts volumes_from',
  ),
};

export const BUILD: KnownKeys = {
  supported: words('context dockerfile args target labels tags no_cache'),
  missing: words(
    'additional_contexts cache_from cache_to dockerfile_inline entitlements extra_hosts isolation network platforms ' +
      'privileged provenance pull sbom secrets shm_size ssh ulimits',
  ),
};

export const DEPLOY: KnownKeys = {
  supported: words('replicas resources'),
  missing: words('endpoint_mode labels mode placement restart_policy rollback_config update_config'),
};

export const PORT: KnownKeys = {
  supported: words('target published host_ip protocol mode name app_protocol'),
  missing: [],
};

export const VOLUME_MOUNT: KnownKeys = {
  supported: words('type source target read_only bind volume tmpfs consistency'),
  missing: ['image'],
};

export const SERVICE_NETWORK: KnownKeys = {
  supported: words('aliases ipv4_address'),
  missing: words('ipv6_address link_local_ips mac_address driver_opts gw_priority priority interface_name'),
};

export const NETWORK: KnownKeys = {
  supported: words('name external driver internal ipam labels driver_opts attachable'),
  missing: words('enable_ipv4 enable_ipv6'),
};

export const VOLUME: KnownKeys = {
  supported: words('name external driver labels driver_opts'),
  missing: [],
};

/** Refuses by name what is not there yet, and what Compose does not know. Keys that begin with "x-" are the user's. */
export function checkKeys(map: LocatedMap, { supported, missing }: KnownKeys): void {
  for (const [name, value] of map.entries) {
    if (supported.includes(name) || name.startsWith('x-')) continue;
    if (missing.includes(name)) throw missingAt(value, `the key ${value.path} is not there yet`);
    throw unknownKey(value, name, [...supported, ...missing]);
  }
}

function unknownKey(value: Located, name: string, known: readonly string[]) {
  const nearest = known.find((candidate) => isNear(candidate, name));
  return wrongAt(
    value,
    `${value.path}: additional properties '${name}' not allowed`,
    nearest === undefined ? undefined : `Did you mean ${nearest}?`,
  );
}

/** The same letters but for one added, dropped, changed or swapped. */
function isNear(a: string, b: string): boolean {
  if (Math.abs(a.length - b.length) > 1) return false;
  let start = 0;
  while (start < Math.min(a.length, b.length) && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < Math.min(a.length, b.length) - start && a.at(-1 - end) === b.at(-1 - end)) end += 1;
  const [restA, restB] = [a.slice(start, a.length - end), b.slice(start, b.length - end)];
  return restA.length <= 1 && restB.length <= 1
    ? true
    : restA.length === 2 && restA === [...restB].reverse().join('');
}
