import { describe, expect, test } from 'vitest';
import { DEFAULT_CAPABILITIES } from './capabilities.ts';
import type { OciSeccomp } from './oci-types.ts';
import { seccompFilter } from './seccomp.ts';

const conditions = { capabilities: DEFAULT_CAPABILITIES, architecture: 'amd64', kernel: '6.1.0-18-amd64' };

function allowed(filter: OciSeccomp | undefined): Set<string> {
  const rules = filter?.syscalls.filter(
    (rule) => rule.action === 'SCMP_ACT_ALLOW' && rule.args === undefined,
  );
  return new Set(rules?.flatMap((rule) => rule.names));
}

describe('the default profile', () => {
  test('denies by default and allows by capability', () => {
    const filter = seccompFilter({ kind: 'default' }, conditions);
    expect(filter).toMatchObject({
      defaultAction: 'SCMP_ACT_ERRNO',
      defaultErrnoRet: 1,
      architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
    });
    const calls = allowed(filter);
    expect(calls).toContain('openat');
    expect(calls).toContain('chroot'); // CAP_SYS_CHROOT is a default
    for (const call of ['mount', 'bpf', 'reboot', 'init_module', 'clone']) {
      expect(calls).not.toContain(call);
    }
    const admin = [...DEFAULT_CAPABILITIES, 'CAP_SYS_ADMIN'];
    expect(allowed(seccompFilter({ kind: 'default' }, { ...conditions, capabilities: admin }))).toContain(
      'mount',
    );
  });

  test('answers clone3 with ENOSYS, so that programs fall back to clone', () => {
    const filter = seccompFilter({ kind: 'default' }, conditions);
    expect(filter?.syscalls).toContainEqual({ names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: 38 });
  });

  test('is resolved for the architecture and the kernel', () => {
    const arm = seccompFilter({ kind: 'default' }, { ...conditions, architecture: 'arm64', kernel: '4.4.0' });
    expect(arm?.architectures).toEqual(['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM']);
    expect(allowed(arm)).toContain('arm_fadvise64_64');
    expect(allowed(arm)).not.toContain('modify_ldt');
    expect(allowed(arm)).not.toContain('process_vm_readv');
    expect(allowed(seccompFilter({ kind: 'default' }, conditions))).toContain('process_vm_readv');
  });

  test('leaves no conditions in the filter', () => {
    expect(JSON.stringify(seccompFilter({ kind: 'default' }, conditions))).not.toMatch(
      /includes|excludes|archMap/,
    );
  });
});

describe('custom profiles', () => {
  const custom = (profile: object) =>
    seccompFilter({ kind: 'custom', profile: JSON.stringify(profile) }, conditions);

  test('old and new forms are taken', () => {
    const filter = custom({
      defaultAction: 'SCMP_ACT_ALLOW',
      architectures: ['SCMP_ARCH_X86_64'],
      syscalls: [{ name: 'mkdir', action: 'SCMP_ACT_ERRNO', args: null }],
    });
    expect(filter).toEqual({
      defaultAction: 'SCMP_ACT_ALLOW',
      architectures: ['SCMP_ARCH_X86_64'],
      syscalls: [{ names: ['mkdir'], action: 'SCMP_ACT_ERRNO' }],
    });
  });

  test('an empty profile is no filter, as in Docker', () => {
    expect(custom({})).toBeUndefined();
    expect(seccompFilter({ kind: 'unconfined' }, conditions)).toBeUndefined();
  });

  test('what is no profile is refused with the reason', () => {
    const text = (profile: string) => () => seccompFilter({ kind: 'custom', profile }, conditions);
    expect(text('{')).toThrow('Decoding seccomp profile failed');
    expect(text('[]')).toThrow('it is not a JSON object');
    expect(text('{"syscalls":[{"names":"x"}]}')).toThrow('malformed');
    expect(text('{"architectures":["a"],"archMap":[{"architecture":"b"}]}')).toThrow(
      "both 'architectures' and 'archMap' are specified",
    );
  });
});
