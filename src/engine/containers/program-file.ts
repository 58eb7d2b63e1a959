import { open } from 'node:fs/promises';
import { posix } from 'node:path';
import type { FileWorker } from '../../runtime/index.ts';
import type { ContainerRecord } from './container.ts';
import { type ContainerContext, containerDirectory } from './context.ts';
import { imageOf } from './create.ts';

/** Enough of a program's file to see what it needs: its "#!" line, or the headers of an ELF file. */
const HEAD = 4096;

/**
 * What is wrong with the file of a program that could not be executed, seen from the file itself: an interpreter
 * that is missing or has a carriage return in its name. undefined when the file explains nothing.
 */
export async function explainProgramFile(
  context: ContainerContext,
  record: ContainerRecord,
  program: string,
): Promise<string | undefined> {
  const image = await imageOf(context, record);
  const directory = containerDirectory(context, record.id);
  await using files = await context.parts.launcher.openFiles({
    layers: image.layers.map(({ path }) => path),
    writable: { upper: `${directory}/upper`, work: `${directory}/work` },
  });
  for (const path of candidates(record, program)) {
    const head = await readHead(files, record, path);
    if (head === undefined) continue;
    const interpreter = scriptInterpreter(head) ?? elfInterpreter(head);
    if (interpreter === undefined) return undefined;
    if (interpreter.includes('\r')) {
      return `its first line ${JSON.stringify(`#!${interpreter}`)} ends with a carriage return (\\r): save ${path} with Unix line ends`;
    }
    if ((await readHead(files, record, interpreter)) === undefined) {
      return `its interpreter ${interpreter} is not in the image`;
    }
    return undefined;
  }
  return undefined;
}

/** The paths that a program's name may mean. */
function candidates({ config }: ContainerRecord, program: string): string[] {
  if (program.includes('/')) return [posix.resolve(config.workingDir || '/', program)];
  const path = config.env.find((entry) => entry.startsWith('PATH='))?.slice('PATH='.length) ?? '';
  return path.split(':').map((folder) => posix.join('/', folder, program));
}

/** The beginning of a file in the container, bind mounts included. */
async function readHead(
  files: FileWorker,
  record: ContainerRecord,
  path: string,
): Promise<Buffer | undefined> {
  const mount = record.mounts.findLast(({ target }) => path === target || path.startsWith(`${target}/`));
  if (mount !== undefined && mount.type !== 'tmpfs') {
    return readHostHead(`${mount.source}${path.slice(mount.target.length)}`);
  }
  const stat = await files.stat(path, { follow: true });
  if (stat?.type !== 'file') return undefined;
  return (await files.readFile(path, Math.max(stat.size, 1))).subarray(0, HEAD);
}

async function readHostHead(path: string): Promise<Buffer | undefined> {
  try {
    await using file = await open(path, 'r');
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD), 0, HEAD, 0);
    return buffer.subarray(0, bytesRead);
  } catch {
    return undefined; // nothing to explain from
  }
}

/** The program of a "#!" line, its carriage return included. */
export function scriptInterpreter(head: Buffer): string | undefined {
  const line = head.toString('latin1').split('\n', 1)[0] ?? '';
  return /^#![ \t]*([^ \t]+)/.exec(line)?.[1];
}

const PT_INTERP = 3;

/** The loader that a 64-bit little-endian ELF file asks for (elf(5), PT_INTERP). */
export function elfInterpreter(head: Buffer): string | undefined {
  const isElf64 = head.length >= 64 && head.readUInt32BE(0) === 0x7f454c46 && head[4] === 2 && head[5] === 1;
  if (!isElf64) return undefined;
  const table = Number(head.readBigUInt64LE(32));
  const entrySize = head.readUInt16LE(54);
  for (let index = 0; index < head.readUInt16LE(56); index += 1) {
    const at = table + index * entrySize;
    if (at + 56 > head.length) return undefined;
    if (head.readUInt32LE(at) !== PT_INTERP) continue;
    const offset = Number(head.readBigUInt64LE(at + 8));
    const size = Number(head.readBigUInt64LE(at + 32));
    return head.subarray(offset, offset + size - 1).toString();
  }
  return undefined;
}
