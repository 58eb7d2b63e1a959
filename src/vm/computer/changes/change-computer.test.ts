import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ComputerModel, WantedComputer } from '../contract.ts';
import { layoutOf } from '../layout.ts';
import { surveyComputer } from '../survey.ts';
import { type FakeGuest, FakeQemu } from '../testing/fake-qemu.ts';
import { testCard, testGround, testRequest } from '../testing/requests.ts';
import { changeComputer } from './change-computer.ts';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

/** For guests that never answer. */
const IMPATIENT = 1;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'changes-'));
  await writeFile(join(folder, 'more.qcow2'), '');
});
afterAll(() => rm(folder, { recursive: true }));

function running(guest?: FakeGuest, model: ComputerModel = 'q35', accelerator: 'kvm' | 'tcg' = 'tcg') {
  const request = testRequest({ hardware: { ...testRequest().hardware, model } });
  const layout = layoutOf(request, { ...testGround, accelerator });
  return { layout, qemu: new FakeQemu(layout, guest) };
}

/** As it runs, with `changes`. */
function wanted(changes: Partial<WantedComputer> = {}): WantedComputer {
  const { hardware, disks, cards } = testRequest();
  return { hardware, disks: disks.map((disk) => ({ ...disk, size: GIB })), cards, ...changes };
}

function amounts(processors: number, memory: number): Partial<WantedComputer> {
  return { hardware: { ...testRequest().hardware, allotment: { processors, memory } } };
}

test('nothing is done to a computer that is as it is wanted', async () => {
  const { qemu } = running();
  expect(await changeComputer(wanted(), qemu)).toEqual({
    changed: [],
    needsRestart: [],
    allotment: { processors: 2, memory: GIB },
  });
  expect(qemu.changes).toEqual([]);
});

test('a computer that was changed is laid out as it is now', async () => {
  const { layout, qemu } = running();
  expect(await surveyComputer(qemu)).toEqual(layout);
  await changeComputer(wanted(amounts(3, 2 * GIB)), qemu);
  expect(await surveyComputer(qemu)).toEqual({ ...layout, processors: { present: 3, most: 4 } });
});

test('processors are added with the next numbers and removed from the end', async () => {
  const { qemu } = running(undefined, 'q35', 'kvm');
  expect(await changeComputer(wanted(amounts(4, GIB)), qemu)).toMatchObject({ changed: ['4 processors'] });
  expect(await changeComputer(wanted(amounts(1, GIB)), qemu)).toMatchObject({
    changed: ['1 processor'],
    allotment: { processors: 1 },
  });
  expect(qemu.changes).toEqual([
    'device_add host-x86_64-cpu cpu2 0 2 0',
    'device_add host-x86_64-cpu cpu3 0 3 0',
    ...['device_del cpu3', 'device_del cpu2', 'device_del cpu1'],
  ]);
});

test('processors beyond the places need a restart', async () => {
  const { qemu } = running();
  expect(await changeComputer(wanted(amounts(5, GIB)), qemu)).toEqual({
    changed: [],
    needsRestart: [{ what: '5 processors', why: 'it was started with places for 4' }],
    allotment: { processors: 2, memory: GIB },
  });
});

test('a processor that its system keeps stays counted', async () => {
  const { qemu } = running({ obedient: false }, 'q35', 'kvm');
  expect(await changeComputer(wanted(amounts(1, GIB)), qemu, IMPATIENT)).toEqual({
    changed: [],
    needsRestart: [{ what: '1 processor', why: 'its system does not answer to the removal of a processor' }],
    allotment: { processors: 2, memory: GIB },
  });
});

test('no processor is taken out of an emulated machine', async () => {
  const { qemu } = running();
  expect(await changeComputer(wanted(amounts(1, GIB)), qemu)).toMatchObject({
    needsRestart: [{ what: '1 processor', why: 'no processor can be taken out of an emulated machine' }],
    allotment: { processors: 2 },
  });
  expect(qemu.changes).toEqual([]);
});

test('a system that refuses to give a processor back is heard at once', async () => {
  const { qemu } = running({ obedient: true, keepsProcessors: true }, 'q35', 'kvm');
  expect(await changeComputer(wanted(amounts(1, GIB)), qemu)).toMatchObject({
    needsRestart: [{ what: '1 processor', why: 'its system keeps its processors' }],
    allotment: { processors: 2 },
  });
});

test('memory beyond the start comes by the device for it, less by the balloon', async () => {
  const { qemu } = running();
  expect(await changeComputer(wanted(amounts(2, 1537 * MIB)), qemu)).toMatchObject({
    changed: ['1.501GiB of memory'],
  });
  expect(await changeComputer(wanted(amounts(2, 768 * MIB)), qemu)).toMatchObject({
    changed: ['768MiB of memory'],
    allotment: { memory: 768 * MIB },
  });
  expect(qemu.changes).toEqual([
    ...[`balloon ${GIB}`, `qom-set /machine/peripheral/more-memory requested-size ${514 * MIB}`],
    ...[`balloon ${768 * MIB}`, 'qom-set /machine/peripheral/more-memory requested-size 0'],
  ]);
});

test('memory beyond the room needs a restart', async () => {
  const { qemu } = running();
  expect(await changeComputer(wanted(amounts(2, 9 * GIB)), qemu)).toMatchObject({
    needsRestart: [{ what: '9GiB of memory', why: 'it was started with room for 8GiB' }],
    allotment: { memory: GIB },
  });
});

test('memory that its system does not give is asked for no longer, and stays counted', async () => {
  const { qemu } = running({ obedient: true, memoryKept: 100 * MIB });
  expect(await changeComputer(wanted(amounts(2, 512 * MIB)), qemu, IMPATIENT)).toEqual({
    changed: [],
    needsRestart: [{ what: '512MiB of memory', why: 'its system has got only as far as 612MiB' }],
    allotment: { processors: 2, memory: 612 * MIB },
  });
  expect(qemu.changes.at(-2)).toBe(`balloon ${612 * MIB}`);
});

test('a disk is added in the first free place, from an open file', async () => {
  const { qemu, layout } = running();
  const more = { name: 'more', path: join(folder, 'more.qcow2'), backing: [], size: GIB };
  const now = wanted({ disks: [...wanted().disks, more] });
  expect(await changeComputer(now, qemu)).toMatchObject({ changed: ['the disk more of 1GiB'] });
  expect(qemu.changes).toEqual([
    'add-fd',
    'blockdev-add disk-more unmap qcow2',
    'device_add virtio-blk-pci disk-more disk-more more port10',
  ]);
  expect((await surveyComputer(qemu)).disks).toEqual([...layout.disks, { name: 'more', place: 2 }]);
});

test('a disk for which no place is left needs a restart', async () => {
  const { qemu, layout } = running();
  const files = Array.from({ length: layout.places.disks }, (_, index) => {
    return { name: `more${index}`, path: join(folder, 'more.qcow2'), backing: [], size: GIB };
  });
  const { changed, needsRestart } = await changeComputer(
    wanted({ disks: [...wanted().disks, ...files] }),
    qemu,
  );
  expect(changed).toHaveLength(4);
  expect(needsRestart).toEqual([
    { what: 'the disk more4 of 1GiB', why: 'all places for disks are taken' },
    { what: 'the disk more5 of 1GiB', why: 'all places for disks are taken' },
  ]);
});

test('a disk grows, and another goes when its system lets it go', async () => {
  const { qemu } = running();
  const [root] = wanted().disks;
  const disks = root === undefined ? [] : [{ ...root, size: 2 * GIB }];
  expect(await changeComputer(wanted({ disks }), qemu)).toMatchObject({
    changed: ['the disk root of 2GiB', 'no disk data'],
  });
  expect(qemu.changes).toEqual([
    `block_resize disk-root ${2 * GIB}`,
    ...['device_del disk-data', 'blockdev-del disk-data'],
  ]);
});

test('a disk that its system keeps needs a restart to go', async () => {
  const { qemu } = running({ obedient: false });
  const disks = wanted().disks.slice(0, 1);
  expect(await changeComputer(wanted({ disks }), qemu, IMPATIENT)).toMatchObject({
    needsRestart: [{ what: 'no disk data', why: 'its system keeps it' }],
  });
});

test('a disk that is to become smaller, or larger than any, is refused before anything is changed', async () => {
  const { qemu } = running();
  const disks = wanted().disks.map((disk) => ({ ...disk, size: 512 * MIB }));
  await expect(changeComputer(wanted({ ...amounts(3, GIB), disks }), qemu)).rejects.toMatchObject({
    kind: 'invalid',
    message: 'the disk root has 1GiB and cannot become smaller (512MiB)',
  });
  const large = wanted().disks.map((disk) => ({ ...disk, size: 65 * 1024 * GIB }));
  await expect(changeComputer(wanted({ disks: large }), qemu)).rejects.toThrow(
    'the disk root cannot have 65TiB: no disk is larger than 64TiB',
  );
  expect(qemu.changes).toEqual([]);
});

test('a microvm grows its disks and gives memory back; all else needs a restart', async () => {
  const { qemu } = running(undefined, 'microvm');
  const more = { name: 'more', path: join(folder, 'more.qcow2'), backing: [], size: GIB };
  const [root, data] = wanted().disks;
  const disks = root === undefined || data === undefined ? [] : [{ ...root, size: 2 * GIB }, data, more];
  const hardware = { ...testRequest().hardware, model: 'microvm' as const };
  const allotment = { processors: 3, memory: 768 * MIB };
  expect(await changeComputer(wanted({ hardware: { ...hardware, allotment }, disks }), qemu)).toEqual({
    changed: ['768MiB of memory', 'the disk root of 2GiB'],
    needsRestart: [
      { what: '3 processors', why: 'it was started with places for 2' },
      { what: 'the disk more of 1GiB', why: 'a microvm takes no new devices while it runs' },
    ],
    allotment: { processors: 2, memory: 768 * MIB },
  });
});

test('type, firmware and cards are those of the start', async () => {
  const { qemu } = running();
  const { allotment } = testRequest().hardware;
  const now = wanted({
    hardware: { model: 'pc', firmware: 'uefi', allotment },
    cards: [...wanted().cards, testCard('02:42:0a:00:00:03')],
  });
  expect((await changeComputer(now, qemu)).needsRestart.map(({ what }) => what)).toEqual([
    'the type pc',
    'the firmware uefi',
    '2 network cards',
  ]);
  expect(qemu.changes).toEqual([]);
});
