import { createWriteStream } from 'node:fs';
import { copyFile, mkdtemp, open, rm, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runChecked } from '../../src/base/index.ts';
import type { ComputerFiles } from '../../src/vm/computer/arguments.ts';
import { changeComputer } from '../../src/vm/computer/changes/change-computer.ts';
import type { ComputerModel, ComputerRequest, Firmware } from '../../src/vm/computer/contract.ts';
import { findUefi, provideVariables } from '../../src/vm/computer/firmware.ts';
import { layoutOf } from '../../src/vm/computer/layout.ts';
import { placesOf } from '../../src/vm/computer/places.ts';
import { surveyComputer } from '../../src/vm/computer/survey.ts';
import { testCard, testGround, testRequest } from '../../src/vm/computer/testing/requests.ts';
import { BareComputer } from './bare-computer.ts';
import { shellKernel, writeShellInitramfs } from './shell-system.ts';
import { tinyDisk } from './tiny-system.ts';

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

test.each(['q35', 'pc', 'microvm'] as const)('a %s boots what stands behind its disk', async (model) => {
  const path = join(folder, `boots-${model}.qcow2`);
  await runChecked('qemu-img', ['create', '-q', '-f', 'qcow2', path, '8M']);
  const backing = [{ path: await tinyDisk(folder), format: 'raw' as const }];
  const request = testRequest({
    hardware: { model, firmware: 'bios', allotment: { processors: 1, memory: 128 * MIB } },
    disks: [{ name: 'root', path, backing }],
    media: [],
  });
  const layout = layoutOf(request, testGround);
  await using computer = await BareComputer.start(layout, await filesOf(request));
  await computer.shows(/up\r\n/);
});

/** Its kernel without modules has drivers for processors and ports, but not for what virtio has behind them. */
async function smallRequest(name: string): Promise<ComputerRequest> {
  const path = join(folder, `${name}.qcow2`);
  await runChecked('qemu-img', ['create', '-q', '-f', 'qcow2', path, '64M']);
  return testRequest({
    hardware: { model: 'q35', firmware: 'bios', allotment: { processors: 1, memory: 256 * MIB } },
    disks: [{ name: 'root', path, backing: [] }],
    media: [],
  });
}

/** Waits inside the guest until a command says what it is to say. */
async function guestSays(computer: BareComputer, command: string, text: string): Promise<void> {
  computer.type(`until [ "$(${command})" = "${text}" ]; do :; done; echo "it is" "so"\n`);
  await computer.shows(/it is so/);
}

test('a guest that runs feels its changes, and goes on in a computer of the layout that it has then', async () => {
  const request = await smallRequest('changed');
  const more = join(folder, 'more.qcow2');
  await runChecked('qemu-img', ['create', '-q', '-f', 'qcow2', more, '64M']);
  await using handed = await open(more, 'r+');
  const kernel = {
    path: (await shellKernel()).path,
    initramfs: await writeShellInitramfs(folder, []),
    words: 'console=ttyS0 quiet',
  };
  const { disks } = request;
  const files = { disks, media: [], flash: undefined };
  const started = layoutOf(request, testGround);
  await using computer = await BareComputer.start(started, files, { kernel, handed: handed.fd });
  expect(await surveyComputer(computer)).toEqual(started);
  await computer.shows(/READY/);

  const added = { name: 'more', path: more, backing: [] };
  const wanted = {
    hardware: { ...request.hardware, allotment: { processors: 3, memory: 512 * MIB } },
    disks: [...disks.map((disk) => ({ ...disk, size: 96 * MIB })), { ...added, size: 64 * MIB }],
    cards: request.cards,
  };
  expect(await changeComputer(wanted, computer, 1)).toEqual({
    changed: ['3 processors', 'the disk root of 96MiB', 'the disk more of 64MiB'],
    needsRestart: [
      { what: '512MiB of memory', why: 'its system has got only as far as 256MiB' }, // it has no driver
    ],
    allotment: { processors: 3, memory: 256 * MIB },
  });
  await guestSays(computer, 'cat /sys/devices/system/cpu/present', '0-2');
  await guestSays(computer, 'cat /sys/bus/pci/devices/*/device | grep -c 0x1042', '2');

  const layout = await surveyComputer(computer);
  expect(layout.processors.present).toBe(3);
  await computer.execute('stop');
  const state = join(folder, 'state');
  await save(computer, state);
  await computer[Symbol.asyncDispose]();
  await using saved = await open(state);
  const all = { ...files, disks: [...disks, added] };
  await using resumed = await BareComputer.start(layout, all, { state: saved.fd });
  expect(await surveyComputer(resumed)).toEqual(layout);
  await guestSays(resumed, 'cat /sys/devices/system/cpu/present', '0-2');
});

async function save(computer: BareComputer, path: string): Promise<void> {
  const socket = join(folder, 'state.socket');
  const { promise: written, resolve, reject } = Promise.withResolvers<void>();
  const server = createServer((connection) => {
    pipeline(connection, createWriteStream(path)).then(resolve, reject);
  });
  const listening = Promise.withResolvers<void>();
  server.listen(socket, listening.resolve);
  await listening.promise;
  await computer.execute('migrate', { uri: `unix:${socket}` });
  await written;
  server.close();
}
