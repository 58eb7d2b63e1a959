import type { FileWorker, Supervisor } from '../../runtime/index.ts';
import type { ContainerRecord } from './container.ts';
import type { ContainerContext } from './context.ts';
import { openRoot } from './files/open.ts';

/** As they are in a root: empty where there is no such file. */
type Accounts = Supervisor['accounts'];

/** For reading two small files in a virtual machine, whose guest may be silent (milliseconds). */
const PATIENCE = 30_000;

/**
 * The accounts by which `user` is found in a container that runs. What its programs have made of them since it was started counts;
 * only root, whom nobody asks for, is not looked up each time.
 */
export async function accountsFor(
  context: ContainerContext,
  record: ContainerRecord,
  { accounts }: Supervisor,
  user: string,
): Promise<Accounts> {
  if (['', '0', 'root'].includes(user)) return accounts;
  await using root = await openRoot(context, record, { signal: AbortSignal.timeout(PATIENCE) });
  return await readAccounts(root); // before it is closed
}

export async function readAccounts(root: FileWorker): Promise<Accounts> {
  const passwd = await textOf(root, '/etc/passwd');
  return { passwd, group: await textOf(root, '/etc/group') };
}

async function textOf(root: FileWorker, path: string): Promise<string> {
  const stat = await root.stat(path, { follow: true });
  return stat?.type === 'file' ? (await root.readFile(path)).toString() : '';
}
