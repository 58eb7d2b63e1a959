import { once } from 'node:events';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';

const EXAMPLES = `${import.meta.dirname}/../../examples`;

/** The folder of the tutorial's single container. */
export const FLASK = `${EXAMPLES}/flask`;

/** Copies an example of two services into a folder; the ports 8000 and 8001 in its Compose file become those given. */
export async function copyComposeExample(
  name: 'flask-compose' | 'flask-compose-unpinned',
  folder: string,
  [first, second]: readonly [number, number],
): Promise<void> {
  await cp(`${EXAMPLES}/${name}`, folder, { recursive: true });
  const file = `${folder}/docker-compose.yml`;
  const text = await readFile(file, 'utf8');
  await writeFile(file, text.replace('8000:', `${first}:`).replace('8001:', `${second}:`));
}

/** A port that the kernel has just given out. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}
