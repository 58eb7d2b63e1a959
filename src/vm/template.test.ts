import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { errorMessage } from '../base/index.ts';
import { machineArguments } from './machine-arguments.ts';
import { type TemplateRecipe, Templates, templateKey } from './template.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'template-'));
});
afterAll(() => rm(folder, { recursive: true }));

const recipe: TemplateRecipe = {
  shape: { architecture: 'amd64', accelerator: 'tcg', processors: 1, memory: 256 * 1024 ** 2, cards: 1 },
  boot: { kernel: '/kernel', initramfs: '/initramfs', counterKilohertz: 2_600_000 },
  hypervisor: { path: '/nowhere/qemu', version: '7.2.22', identity: '1-2-3' },
  kernelDigest: 'kernel',
  initramfsDigest: 'initramfs',
  processor: 'AMD EPYC',
};

test('a template is named by what it was made from and for which machines', () => {
  expect(templateKey(recipe)).toMatch(/^[0-9a-f]{16}-amd64-tcg-1x256M-1$/);
});

test.for([
  ['QEMU', { hypervisor: { ...recipe.hypervisor, identity: '1-2-4' } }],
  ["QEMU's version", { hypervisor: { ...recipe.hypervisor, version: '7.2.23' } }],
  ['the kernel', { kernelDigest: 'another' }],
  ["the guest's programs", { initramfsDigest: 'another' }],
  ['the processor', { processor: 'Intel' }],
  ['the architecture', { shape: { ...recipe.shape, architecture: 'arm64' } }],
  ['the accelerator', { shape: { ...recipe.shape, accelerator: 'kvm' } }],
  ['the memory', { shape: { ...recipe.shape, memory: 512 * 1024 ** 2 } }],
  ['the number of processors', { shape: { ...recipe.shape, processors: 2 } }],
  ['the number of cards', { shape: { ...recipe.shape, cards: 2 } }],
] as const satisfies [string, Partial<TemplateRecipe>][])(
  'another template is for a change of %s',
  ([, change]) => {
    expect(templateKey({ ...recipe, ...change })).not.toBe(templateKey(recipe));
  },
);

test.for(['template', 'warm'] as const)(
  'another template is for a change of what QEMU is told: a new argument of one that is %s',
  (kind) => {
    const changed: typeof machineArguments = (shape, origin, shares) => [
      ...machineArguments(shape, origin, shares),
      ...(origin.kind === kind ? ['-global', 'virtio-blk-device.seg-max-adjust=off'] : []),
    ];
    expect(templateKey(recipe, changed)).not.toBe(templateKey(recipe));
  },
);

test('a prune leaves the templates that new machines would begin from, and no other', async () => {
  const directory = join(folder, 'pruned');
  const templates = new Templates(directory, folder);
  const present = [recipe, { ...recipe, shape: { ...recipe.shape, processors: 4, cards: 0 } }].map((one) =>
    templateKey(one),
  );
  const stale = [
    templateKey({ ...recipe, kernelDigest: 'another' }),
    templateKey(recipe, (...given) => [...machineArguments(...given), '-global']),
    '0123456789abcdef-tcg',
    'new-abandoned',
  ];
  for (const name of [...present, ...stale]) await mkdir(join(directory, name), { recursive: true });
  await templates.prune([recipe]);
  expect((await readdir(directory)).toSorted()).toEqual(present.toSorted());
  await templates.prune([]);
  expect(await readdir(directory)).toEqual([]);
});

test('where files are and how often the counter was measured changes no template', () => {
  const boot = { kernel: '/other', initramfs: '/other', counterKilohertz: 2_600_001 };
  const elsewhere: TemplateRecipe = { ...recipe, boot };
  expect(templateKey(elsewhere)).toBe(templateKey(recipe));
});

test('a QEMU that ends is told with its last words, is not tried again at once, and leaves nothing', async () => {
  const program = join(folder, 'qemu');
  const runs = join(folder, 'runs');
  await mkdir(runs);
  await writeFile(program, `#!/bin/sh\nmktemp -p ${runs} >/dev/null\necho no such machine >&2\nexit 7\n`);
  await chmod(program, 0o755);
  const directory = join(folder, 'templates');
  const templates = new Templates(directory, folder);
  const failing = { ...recipe, hypervisor: { ...recipe.hypervisor, path: program } };
  const attempts = await Promise.allSettled(Array.from({ length: 3 }, () => templates.provide(failing)));
  expect(attempts.map(reasonOf)).toEqual(
    Array(3).fill(
      'a guest could not be booted for a template: QEMU has ended (7); its last words: no such machine',
    ),
  );
  await expect(templates.provide(failing)).rejects.toThrow('no such machine');
  expect(await readdir(runs)).toHaveLength(1);
  expect(await readdir(directory)).toEqual([]);
});

test('who gives up waiting does not end what others wait for', async () => {
  const program = join(folder, 'slow-qemu');
  await writeFile(program, '#!/bin/sh\nread -r line <&4\nexit 1\n');
  await chmod(program, 0o755);
  await using templates = new Templates(join(folder, 'given-up'), folder);
  const slow = { ...recipe, hypervisor: { ...recipe.hypervisor, path: program } };
  const [impatient, patient] = await Promise.allSettled([
    templates.provide(slow, AbortSignal.abort(new Error('enough'))),
    templates.provide(slow),
  ]);
  expect(reasonOf(impatient)).toBe('the operation was cancelled: enough');
  expect(reasonOf(patient)).toBe('a guest could not be booted for a template: QEMU has ended (1)');
});

test('what is being made is given up when berthd ends', async () => {
  const program = join(folder, 'endless-qemu');
  await writeFile(program, '#!/bin/sh\nexec sleep 1000\n');
  await chmod(program, 0o755);
  const directory = join(folder, 'ended');
  const templates = new Templates(directory, folder);
  const making = templates.provide({ ...recipe, hypervisor: { ...recipe.hypervisor, path: program } });
  const failed = expect(making).rejects.toThrow('it was given up');
  await templates[Symbol.asyncDispose]();
  await failed;
  expect(await readdir(directory)).toEqual([]);
});

function reasonOf(result: PromiseSettledResult<unknown>): string | undefined {
  return result.status === 'rejected' ? errorMessage(result.reason) : undefined;
}
