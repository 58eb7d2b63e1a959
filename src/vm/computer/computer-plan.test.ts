import { expect, test } from 'vitest';
import { computerMachine } from './computer-plan.ts';
import { layoutOf } from './layout.ts';
import { testGround, testRequest } from './testing/requests.ts';

const plugin = { hostPath: '/native/idle-memory.so', name: '/berth/idle-memory.so' };

function machineUnder(accelerator: 'kvm' | 'tcg') {
  const request = testRequest();
  const hypervisor = { path: '/usr/bin/qemu', files: [], plugin };
  const layout = layoutOf(request, { ...testGround, accelerator });
  return computerMachine(request, { hypervisor, uefi: undefined, layout });
}

test('emulation forgets what only the start needed', () => {
  const { args, files } = machineUnder('tcg');
  expect(args.join(' ')).toContain('-plugin file=/berth/idle-memory.so');
  expect(files).toContainEqual(plugin);
});

test('a real processor has nothing to forget', () => {
  const { args, files } = machineUnder('kvm');
  expect(args).not.toContain('-plugin');
  expect(files).not.toContainEqual(plugin);
  expect(files).toContainEqual({ hostPath: '/dev/kvm', name: '/dev/kvm' });
});
