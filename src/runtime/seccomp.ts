import { invalid } from '../base/index.ts';
import type { OciSeccomp, OciSyscall } from './oci-types.ts';
import defaultProfile from './seccomp-profile.json' with { type: 'json' };

/** Which filter a container gets: Docker's default, none, or the text of a `--security-opt seccomp=FILE`. */
export type SeccompInput =
  | { readonly kind: 'default' }
  | { readonly kind: 'unconfined' }
  | { readonly kind: 'custom'; readonly profile: string };

/** What a profile's conditions are resolved against. */
export interface SeccompConditions {
  /** The container's bounding set. */
  readonly capabilities: readonly string[];
  /** In Docker's words: "amd64", "arm64". */
  readonly architecture: string;
  /** The kernel's release, as "6.1.0-18-amd64". */
  readonly kernel: string;
}

/** A profile in Docker's form: an OCI filter whose rules have conditions. */
interface SeccompProfile extends Omit<OciSeccomp, 'syscalls' | 'architectures'> {
  readonly architectures?: readonly string[];
  readonly archMap?: readonly {
    readonly architecture: string;
    readonly subArchitectures?: readonly string[] | null;
  }[];
  readonly syscalls: readonly ConditionalRule[];
}

interface ConditionalRule {
  /** The form of profiles before 2016: one name per rule. */
  readonly name?: string;
  readonly names?: readonly string[];
  readonly action: string;
  readonly errnoRet?: number;
  readonly args?: OciSyscall['args'] | null;
  readonly includes?: Condition;
  readonly excludes?: Condition;
}

interface Condition {
  readonly arches?: readonly string[];
  readonly caps?: readonly string[];
  /** "major.minor" */
  readonly minKernel?: string;
}

/** libseccomp's names of the architectures that Node runs on. */
const LIBSECCOMP_ARCHITECTURE: Readonly<Record<string, string>> = {
  amd64: 'SCMP_ARCH_X86_64',
  arm64: 'SCMP_ARCH_AARCH64',
  arm: 'SCMP_ARCH_ARM',
  ppc64le: 'SCMP_ARCH_PPC64LE',
  riscv64: 'SCMP_ARCH_RISCV64',
  s390x: 'SCMP_ARCH_S390X',
};

/**
 * The filter of a container, its conditions resolved as Docker does (profiles/seccomp in moby); undefined: no filter.
 * Throws `invalid` for a custom profile that is not one.
 */
export function seccompFilter(input: SeccompInput, conditions: SeccompConditions): OciSeccomp | undefined {
  switch (input.kind) {
    case 'unconfined':
      return undefined;
    case 'default':
      return resolveProfile(defaultProfile, conditions);
    case 'custom':
      return resolveProfile(parseProfile(input.profile), conditions);
  }
}

function resolveProfile(profile: SeccompProfile, conditions: SeccompConditions): OciSeccomp | undefined {
  if (profile.defaultAction === '' && profile.syscalls.length === 0) return undefined;
  const { archMap, architectures, syscalls, ...common } = profile;
  const native = LIBSECCOMP_ARCHITECTURE[conditions.architecture];
  const mapped = archMap?.find((entry) => entry.architecture === native);
  return {
    ...common,
    architectures:
      mapped === undefined
        ? (architectures ?? [])
        : [mapped.architecture, ...(mapped.subArchitectures ?? [])],
    syscalls: syscalls.filter((rule) => applies(rule, conditions)).map(withoutConditions),
  };
}

function applies({ includes = {}, excludes = {} }: ConditionalRule, conditions: SeccompConditions): boolean {
  const { capabilities, architecture, kernel } = conditions;
  const excluded =
    excludes.arches?.includes(architecture) ||
    excludes.caps?.some((name) => capabilities.includes(name)) ||
    (excludes.minKernel !== undefined && kernelAtLeast(kernel, excludes.minKernel));
  const included =
    (includes.arches?.includes(architecture) ?? true) &&
    (includes.caps?.every((name) => capabilities.includes(name)) ?? true) &&
    (includes.minKernel === undefined || kernelAtLeast(kernel, includes.minKernel));
  return included && !excluded;
}

function withoutConditions(rule: ConditionalRule): OciSyscall {
  return {
    names: rule.names ?? (rule.name === undefined ? [] : [rule.name]),
    action: rule.action,
    ...(rule.errnoRet === undefined ? {} : { errnoRet: rule.errnoRet }),
    ...(rule.args ? { args: rule.args } : {}),
  };
}

/** Whether a release like "6.1.0-18-amd64" is `minimum` ("4.8") or later. */
function kernelAtLeast(release: string, minimum: string): boolean {
  const [major = 0, minor = 0] = release.split(/[.-]/, 2).map(Number);
  const [wantedMajor = 0, wantedMinor = 0] = minimum.split('.', 2).map(Number);
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}

function parseProfile(text: string): SeccompProfile {
  const refuse = (reason: string) => invalid(`Decoding seccomp profile failed: ${reason}`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw refuse(error instanceof Error ? error.message : String(error));
  }
  if (!isRecord(value)) throw refuse('it is not a JSON object');
  const profile = { defaultAction: '', ...value, syscalls: value.syscalls ?? [] };
  if (!isProfile(profile)) throw refuse('"defaultAction", "archMap" or "syscalls" is malformed');
  if (profile.architectures?.length && profile.archMap?.length) {
    throw invalid(
      `both 'architectures' and 'archMap' are specified in the seccomp profile, use either 'architectures' or 'archMap'`,
    );
  }
  if (profile.syscalls.some((rule) => rule.name && rule.names?.length)) {
    throw invalid(
      `both 'name' and 'names' are specified in the seccomp profile, use either 'name' or 'names'`,
    );
  }
  return profile;
}

/** Checks what berth reads; the OCI runtime checks the names of actions, calls and operators. */
function isProfile(value: Record<string, unknown>): value is Record<string, unknown> & SeccompProfile {
  return (
    typeof value.defaultAction === 'string' &&
    isOptional(value.architectures, isTextList) &&
    isOptional(value.archMap, (list) => isListOf(list, isArchitecture)) &&
    isListOf(value.syscalls, isRule)
  );
}

function isArchitecture(value: unknown): boolean {
  return (
    isRecord(value) &&
    typeof value.architecture === 'string' &&
    isOptional(value.subArchitectures, isTextList)
  );
}

function isRule(value: unknown): boolean {
  return (
    isRecord(value) &&
    typeof value.action === 'string' &&
    isOptional(value.name, (name) => typeof name === 'string') &&
    isOptional(value.names, isTextList) &&
    isOptional(value.args, Array.isArray) &&
    isOptional(value.includes, isCondition) &&
    isOptional(value.excludes, isCondition)
  );
}

function isCondition(value: unknown): boolean {
  return (
    isRecord(value) &&
    isOptional(value.arches, isTextList) &&
    isOptional(value.caps, isTextList) &&
    isOptional(value.minKernel, (version) => typeof version === 'string')
  );
}

function isOptional(value: unknown, check: (value: unknown) => boolean): boolean {
  return value === undefined || value === null || check(value);
}

function isListOf(value: unknown, check: (value: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(check);
}

function isTextList(value: unknown): boolean {
  return isListOf(value, (one) => typeof one === 'string');
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
