import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Instance, startInstance } from '../engine/instance.ts';
import { askFor, makeIpxeSystem, ONE_ANSWER } from './ipxe-system.ts';

/** iPXE looks in the search domains for names without a dot, and says what it was told of them. */
const ASK = askFor(`http://web/\${domain}+\${dnssl}`);

/** Where nobody answers: what is asked of the outside fails. */
const HOST = 'nameserver 127.0.0.1\nsearch berth.test. other.test\n';

let instance: Instance;
let folder: string;
const cleanup = new AsyncDisposableStack();

beforeAll(async () => {
  cleanup.use(await withResolvConf(HOST));
  instance = cleanup.use(await startInstance());
  folder = await mkdtemp(join(tmpdir(), 'search-domains-'));
  cleanup.defer(() => rm(folder, { recursive: true, force: true }));
});
afterAll(() => cleanup.disposeAsync());

/** The sandbox's own file, until this is disposed of. */
async function withResolvConf(text: string): Promise<AsyncDisposable> {
  if (process.env.BERTH_SANDBOX === undefined) throw new Error('this changes /etc/resolv.conf: scripts/test');
  const before = await readFile('/etc/resolv.conf');
  await writeFile('/etc/resolv.conf', text);
  return { [Symbol.asyncDispose]: () => writeFile('/etc/resolv.conf', before) };
}

it("a machine is told the host's search domains, and finds containers by their names without asking there", async () => {
  const berthOk = (...words: string[]) => instance.berthOk(words);
  await berthOk('pull', '-q', 'busybox:latest');
  await berthOk('network', 'create', 'lab');
  const asked = berthOk(
    'run',
    '--rm',
    '--name',
    'web',
    '--network',
    'lab',
    'busybox',
    'sh',
    '-c',
    ONE_ANSWER,
  );
  const image = await makeIpxeSystem(folder, ASK);
  await berthOk('vm', 'run', '--network', 'lab', '-m', '256m', '--from', image, 'ipxe');
  expect(await asked).toContain('GET /berth.test+berth.test%20other.test HTTP/1.1');
  expect(await berthOk('run', '--rm', 'busybox', 'cat', '/etc/resolv.conf')).toContain(
    'search berth.test. other.test',
  );
});
