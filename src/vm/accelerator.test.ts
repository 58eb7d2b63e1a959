import { expect, test } from 'vitest';
import { HostProbe, type Measurements, stableDescription } from './accelerator.ts';
import { architectureNamed, hostArchitecture } from './architecture.ts';

type Result = Awaited<ReturnType<Measurements['measure']>>;

function probe(result: Result, kvmDevice = '/dev/null'): { host: HostProbe; asked: string[] } {
  const asked: string[] = [];
  const measure = async (what: string) => {
    asked.push(what);
    return result;
  };
  return { host: new HostProbe({ measure, kvmDevice }), asked };
}

test('KVM that runs at the speed of the processor is used', async () => {
  expect(await probe({ value: 2_400_000_000 }).host.accelerator()).toEqual({ name: 'kvm' });
});

test('KVM that is slower than emulation is not used, and why is said with its speed', async () => {
  expect(await probe({ value: 1_980_000 }).host.accelerator()).toEqual({
    name: 'tcg',
    why: '/dev/null runs 2 million instructions a second, which is slower than emulation',
  });
});

test('a host without KVM says that it has none', async () => {
  const { host, asked } = probe({ value: 2_400_000_000 }, '/nowhere/kvm');
  expect(await host.accelerator()).toEqual({ name: 'tcg', why: 'there is no /nowhere/kvm' });
  expect(asked).toEqual([]);
});

test('a probe that fails is told in its own words', async () => {
  const { host } = probe({ failure: 'KVM makes no processor: Operation not permitted' });
  expect(await host.accelerator()).toEqual({
    name: 'tcg',
    why: 'KVM makes no processor: Operation not permitted',
  });
});

test('a guest of another architecture than the host is emulated, without a look at KVM', async () => {
  const { host, asked } = probe({ value: 2_400_000_000 });
  const own = hostArchitecture().name;
  const foreign = architectureNamed(own === 'amd64' ? 'arm64' : 'amd64');
  expect(await host.accelerator(foreign)).toEqual({ name: 'tcg', why: `this host's processor is ${own}` });
  expect(asked).toEqual([]);
});

test('everything is measured once', async () => {
  const { host, asked } = probe({ value: 2_600_000 });
  await Promise.all([host.counterKilohertz(), host.counterKilohertz(), host.accelerator()]);
  await host.accelerator();
  expect(await host.counterKilohertz()).toBe(2_600_000);
  expect(asked.toSorted()).toEqual(['measure-tsc', 'probe-kvm']);
});

test('a processor without a counter has none', async () => {
  const { host } = probe({ failure: 'this processor has no time stamp counter' });
  expect(await host.counterKilohertz()).toBeUndefined();
});

test("a processor's description has its kind and not its present frequency", () => {
  const text = [
    'processor\t: 0',
    'vendor_id\t: AuthenticAMD',
    'model name\t: AMD EPYC',
    'cpu MHz\t\t: 2596.134',
    'bogomips\t: 5192.26',
    'flags\t\t: fpu vme',
  ].join('\n');
  expect(stableDescription(`${text}\n\nprocessor\t: 1\n`)).toBe(
    'vendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC\nflags\t\t: fpu vme',
  );
});
