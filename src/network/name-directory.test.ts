import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newContainerId, newNetworkId } from '../base/index.ts';
import type { NamedContainer } from './contract.ts';
import { createNameDirectory } from './name-directory.ts';
import { isServableName } from './name-files.ts';

describe('the names of containers', () => {
  let folder: string;
  /** Stand for network namespaces: whatever has an inode. */
  let sandboxes: string;
  beforeEach(async () => {
    folder = await mkdtemp(`${tmpdir()}/berth-names-`);
    sandboxes = await mkdtemp(`${tmpdir()}/berth-names-ns-`);
    await writeFile(`${folder}/host`, 'nameserver 192.0.2.1\n');
  });
  afterEach(async () => {
    await rm(folder, { recursive: true, force: true });
    await rm(sandboxes, { recursive: true });
  });

  const shop = { id: newNetworkId(), name: 'shop' };
  const back = { id: newNetworkId(), name: 'back' };

  async function container(title: string, ...networks: (typeof shop)[]): Promise<NamedContainer> {
    const namespacePath = `${sandboxes}/${title}`;
    await writeFile(namespacePath, '');
    return {
      id: newContainerId(),
      namespacePath,
      endpoints: networks.map((network) => ({
        network,
        addresses: [`10.0.0.${title.length}`],
        title,
        names: [title, title.toUpperCase(), 'all', 'no name'],
      })),
      view: {
        networks: networks.map(({ id }) => ({ id, links: [] })),
        forward: true,
        servers: [],
        search: [],
      },
    };
  }

  const read = (name: string) => readFile(`${folder}/${name}`, 'utf8');
  const inodeOf = async ({ namespacePath }: NamedContainer) => (await stat(namespacePath)).ino;

  it('are in one file for each network, once whatever their case, and what DNS cannot carry is left out', async () => {
    const names = createNameDirectory(folder);
    names.publish(await container('web', shop));
    names.publish(await container('store', shop, back));
    expect(await read(`n-${shop.id}`)).toBe(
      'berth-names 1\nnetwork shop\nhost 10.0.0.3 web\nhost 10.0.0.5 store\n' +
        'name web 10.0.0.3\nname all 10.0.0.3\nname store 10.0.0.5\nname all 10.0.0.5\nend\n',
    );
    expect(await read(`n-${back.id}`)).toBe(
      'berth-names 1\nnetwork back\nhost 10.0.0.5 store\nname store 10.0.0.5\nname all 10.0.0.5\nend\n',
    );
  });

  it('are seen by each container as its own file says', async () => {
    const names = createNameDirectory(folder);
    const web = await container('web', shop, back);
    const links = [
      { alias: 'db', target: 'store' },
      { alias: 'not one', target: 'store' },
    ];
    const networks = [
      { id: shop.id, links },
      { id: back.id, links: [] },
    ];
    const search = ['Example.org', 'not one'];
    names.publish({ ...web, view: { networks, forward: false, servers: ['192.0.2.1', 'fd00::1'], search } });
    expect(await read(`s-${await inodeOf(web)}`)).toBe(
      `berth-names 1\nnetwork ${shop.id}\nnetwork ${back.id}\nlink ${shop.id} db store\n` +
        'server 192.0.2.1\nserver fd00::1\nsearch example.org\nend\n',
    );
  });

  it('go with the container, and with the network that it leaves', async () => {
    const names = createNameDirectory(folder);
    const web = await container('web', shop, back);
    names.publish(web);
    names.publish({ ...web, endpoints: web.endpoints.slice(0, 1) });
    expect(await readdir(folder)).toEqual(['host', `n-${shop.id}`, `s-${await inodeOf(web)}`]);
    names.withdraw(web.id);
    names.withdraw(web.id);
    expect(await readdir(folder)).toEqual(['host']);
  });

  it('are those of living containers only after a start', async () => {
    const gone = await container('gone', back);
    createNameDirectory(folder).publish(gone);
    await writeFile(`${folder}/n-${shop.id}.new`, 'half');
    const web = await container('web', shop);
    createNameDirectory(folder).restore([web]);
    expect(await readdir(folder)).toEqual(['host', `n-${shop.id}`, `s-${await inodeOf(web)}`]);
  });

  it('get a folder at a start, where a launcher from before there were names has made none', async () => {
    const web = await container('web', shop);
    createNameDirectory(`${folder}/made`).restore([web]);
    expect(await readdir(`${folder}/made`)).toEqual([`n-${shop.id}`, `s-${await inodeOf(web)}`]);
  });

  it('that cannot be written are told of', async () => {
    const names = createNameDirectory(`${folder}/missing`);
    const web = await container('web', shop);
    expect(() => names.publish(web)).toThrow(/the names of containers cannot be written: ENOENT/);
    await mkdir(`${folder}/missing`);
    names.publish(web);
  });

  it.each([
    ['web', true],
    ['a_b-c.d', true],
    ['bücher', true],
    ['x'.repeat(63), true],
    ['x'.repeat(64), false],
    [Array(64).fill('abc').join('.'), false],
    ['', false],
    ['a..b', false],
    ['.a', false],
    ['two words', false],
    ['new\nline', false],
  ])('%j can be one: %j', (name, expected) => {
    expect(isServableName(name)).toBe(expected);
  });
});
