import { copyFile, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runChecked } from '../../src/base/index.ts';
import type { ComputerFiles } from '../../src/vm/computer/arguments.ts';
import type { ComputerModel, ComputerRequest, Firmware } from '../../src/vm/computer/contract.ts';
import { findUefi, provideVariables } from '../../src/vm/computer/firmware.ts';
import { layoutOf } from '../../src/vm/computer/layout.ts';
import { placesOf } from '../../src/vm/computer/places.ts';
import { testCard, testGround, testRequest } from '../../src/vm/computer/testing/requests.ts';
import { BareComputer } from './bare-computer.ts';

const MIB = 1024 ** 2;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hardware-'));
  await writeFile(join(folder, 'medium'), '');
  await truncate(join(folder, 'medium'), MIB);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A computer all of whose places are taken. */
async function fullRequest(model: ComputerModel, firmware: Firmware): Promise<ComputerRequest> {
  const { disks, cards, media } = placesOf(model);
  const base = join(folder, 'base.qcow2');
  await runChecked('qemu-img', ['create', '-q', '-f', 'qcow2', base, '8M']);
  await runChecked('qemu-img', ['create', '-q', '-f', 'qcow2', join(folder, 'disk'), '8M']);
  return testRequest({
    hardware: { model, firmware, allotment: { processors: 2, memory: 256 * MIB } },
    disks: await Promise.all(
      Array.from({ length: disks }, async (_, index) => {
        const path = join(folder, `${model}-${firmware}-${index}`);
        await copyFile(join(folder, 'disk'), path);
        return { name: `disk${index}`, path, backing: [{ path: base, format: 'qcow2' as const }] };
      }),
    ),
    media: Array.from({ length: media }, (_, index) => ({
      name: `medium${index}`,
      path: join(folder, 'medium'),
      kind: index % 2 === 0 ? ('cdrom' as const) : ('disk' as const),
    })),
    cards: Array.from({ length: cards }, (_, index) => testCard(`02:42:0a:00:00:0${index}`)),
  });
}

async function filesOf({ hardware, disks, media }: ComputerRequest): Promise<ComputerFiles> {
  if (hardware.firmware === 'bios') return { disks, media, flash: undefined };
  const uefi = await findUefi();
  const variables = join(folder, 'variables.fd');
  await provideVariables(variables, uefi.variables);
  return { disks, media, flash: { code: uefi.code, variables } };
}

test.each([
  ['q35', 'bios'],
  ['q35', 'uefi'],
  ['pc', 'bios'],
  ['pc', 'uefi'],
  ['microvm', 'bios'],
] as const)('QEMU has a place for every device of a full %s with %s', async (model, firmware) => {
  const request = await fullRequest(model, firmware);
  const layout = layoutOf(request, testGround);
  await using computer = await BareComputer.start(layout, await filesOf(request), { paused: true });
  const devices = await computer.execute('qom-list', { path: '/machine/peripheral' });
  const names = Array.isArray(devices) ? devices.map(({ name }) => String(name)) : [];
  expect(names).toEqual(
    expect.arrayContaining([
      ...request.disks.map(({ name }) => `disk-${name}`),
      ...request.media.map(({ name }) => `medium-${name}`),
      ...request.cards.map(({ macAddress }) => `card-${macAddress.replaceAll(':', '')}`),
    ]),
  );
});
