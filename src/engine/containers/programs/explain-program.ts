import { posix } from 'node:path';
import { isArchitectureName } from '../../../vm/index.ts';
import type { FileFacts, FileView } from './file-view.ts';
import {
  candidates,
  findElsewhere,
  findNear,
  type ProgramHost,
  type ProgramQuery,
  pathFolders,
  type Resolved,
  resolveIn,
} from './find-program.ts';
import { HEAD_BYTES, machineName, type ProgramFile, readProgramFile } from './program-file.ts';

/** Why a program could not be executed, beyond the kernel's word for it. */
export interface ProgramFault {
  /** Follows the kernel's word and a colon. */
  readonly reason: string;
  /** One sentence without its full stop. */
  readonly hint: string;
}

/**
 * What is wrong with a program that could not be executed, seen from the file itself, or from where it was looked for.
 * undefined when they explain nothing.
 */
export async function explainProgram(view: FileView, query: ProgramQuery): Promise<ProgramFault | undefined> {
  if (query.program === '') return undefined;
  let broken: ProgramFault | undefined;
  for (const path of candidates(query)) {
    const resolved = await resolveIn(view, path);
    if (resolved.kind === 'found' && (resolved.facts.type === 'file' || query.program.includes('/'))) {
      return explainFile(view, query, path, resolved);
    }
    broken ??= explainBroken(path, resolved);
  }
  return broken ?? explainMissing(view, query);
}

async function explainFile(
  view: FileView,
  query: ProgramQuery,
  path: string,
  found: Extract<Resolved, { kind: 'found' }>,
): Promise<ProgramFault | undefined> {
  const { facts } = found;
  if (facts.type === 'directory') return undefined; // the kernel's word says it
  if (facts.type !== 'file') {
    return { reason: `${path} is no regular file`, hint: 'Name a program' };
  }
  return (
    explainMode(path, facts, query.user) ??
    explainContent(view, path, query.on, readProgramFile(await view.head(found.path, HEAD_BYTES)))
  );
}

function explainMode(path: string, { mode, uid, gid }: FileFacts, user: string): ProgramFault | undefined {
  const octal = `0${mode.toString(8)}`;
  if ((mode & 0o111) === 0) {
    return {
      reason: `${path} has the mode ${octal}, without an execute bit`,
      hint: `Set it with chmod +x, in a Dockerfile by RUN chmod or COPY --chmod=755`,
    };
  }
  const isRoot = user === '' || /^(0|root)(:|$)/.test(user);
  if (isRoot || (mode & 0o001) !== 0) return undefined;
  return {
    reason: `${path} has the mode ${octal} and belongs to ${uid}:${gid}, so the user ${user} may not execute it`,
    hint: 'Give the file to that user, or others the execute bit: chmod o+rx',
  };
}

function explainContent(
  view: FileView,
  path: string,
  on: ProgramHost,
  file: ProgramFile,
): Promise<ProgramFault | undefined> | ProgramFault | undefined {
  switch (file.kind) {
    case 'empty':
      return { reason: `${path} is empty`, hint: 'Check how it came into the image' };
    case 'text':
      return {
        reason: `${path} is a text without a "#!" line, so the kernel does not know what runs it`,
        hint: 'Begin it with a line like "#!/bin/sh", or name the interpreter in the command',
      };
    case 'foreign':
      return {
        reason: `${path} is a program for ${file.system}`,
        hint: `Build it for linux/${on.architecture}`,
      };
    case 'script':
      return explainScript(view, path, file.interpreter);
    case 'elf':
      return explainElf(view, path, on, file);
    case 'unknown':
      return { reason: `${path} is no program that Linux knows`, hint: 'Check how it came into the image' };
  }
}

async function explainScript(
  view: FileView,
  path: string,
  interpreter: string,
): Promise<ProgramFault | undefined> {
  if (interpreter.includes('\r')) {
    return {
      reason: `its first line ${JSON.stringify(`#!${interpreter}`)} ends with a carriage return (\\r): save ${path} with Unix line ends`,
      hint: "For example by dos2unix, or git's core.autocrlf=input",
    };
  }
  if (interpreter === '') {
    return { reason: `the "#!" line of ${path} names no interpreter`, hint: 'Name one, like "#!/bin/sh"' };
  }
  const resolved = await resolveIn(view, posix.resolve('/', interpreter));
  if (resolved.kind !== 'found') {
    const other = await findElsewhere(view, { ...NOWHERE, program: interpreter });
    return {
      reason: `its interpreter ${interpreter} is not in the image`,
      hint:
        other === undefined
          ? 'Install it, or choose another one in the "#!" line'
          : `There is one at ${other}`,
    };
  }
  if ((resolved.facts.mode & 0o111) === 0) {
    return {
      reason: `its interpreter ${interpreter} has no execute bit`,
      hint: 'Check the "#!" line',
    };
  }
  return undefined;
}

const NOWHERE = { env: [], workingDir: '/', user: '', on: { architecture: '', isMachine: false } };

/** 32-bit programs of the same family run too, where the kernel has them compiled in. */
const RUNS_TOO: Readonly<Record<string, readonly string[]>> = { amd64: ['386'], arm64: ['arm'] };

async function explainElf(
  view: FileView,
  path: string,
  { architecture: host, isMachine }: ProgramHost,
  file: Extract<ProgramFile, { kind: 'elf' }>,
): Promise<ProgramFault | undefined> {
  const machine = machineName(file.machine);
  if (machine !== host && RUNS_TOO[host]?.includes(machine) !== true) {
    return {
      reason: `${path} is a program for ${machine}, and this machine is ${host}`,
      hint: `Pull or build the image for linux/${host}${machineFor(machine, isMachine)}`,
    };
  }
  if (!file.isProgram) {
    return { reason: `${path} is an ELF file, but no program`, hint: 'Link it as an executable' };
  }
  if (file.loader === undefined) return undefined;
  const resolved = await resolveIn(view, posix.resolve('/', file.loader));
  if (resolved.kind === 'found') return undefined;
  const libc = libcOf(file.loader);
  return {
    reason: `its loader ${file.loader}${libc === undefined ? '' : `, of ${libc},`} is not in the image`,
    hint:
      libc === undefined
        ? 'Link it statically, or install that loader'
        : `Link it statically, build it on this image, or use an image with ${libc}`,
  };
}

function libcOf(loader: string): string | undefined {
  if (loader.includes('ld-musl')) return 'musl';
  return /\/ld(-linux.*|64|)\.so\.\d$/.test(loader) ? 'glibc' : undefined;
}

/** A container shares the host's processor; a virtual machine may have another one. */
function machineFor(architecture: string, isMachine: boolean): string {
  if (isMachine || !isArchitectureName(architecture)) return '';
  return `, or run it in a virtual machine, which can be ${architecture}: --isolation vm`;
}

function explainBroken(path: string, resolved: Resolved): ProgramFault | undefined {
  switch (resolved.kind) {
    case 'loop':
      return { reason: `${path} is a symbolic link that leads to itself`, hint: 'Check what it links to' };
    case 'missing':
      if (resolved.link === undefined) return undefined;
      return {
        reason: `${resolved.link.path} is a symbolic link to ${resolved.link.target}, which is not in the image`,
        hint: 'Check what it links to, and whether that was copied too',
      };
    case 'not-a-folder':
      return { reason: `${resolved.path} is no folder`, hint: 'Check the path' };
    case 'found':
      return undefined;
  }
}

/** Shells that people expect in every image. */
const SHELLS = ['sh', 'bash', 'ash', 'dash', 'zsh'];

/** Where it is instead, or what is there that is named alike. */
async function explainMissing(view: FileView, query: ProgramQuery): Promise<ProgramFault> {
  const { program, env } = query;
  const where = program.includes('/')
    ? `the image has no ${candidates(query)[0]}`
    : `none of ${[...new Set(pathFolders(env))].join(', ')} has it`;
  const elsewhere = await findElsewhere(view, query);
  if (elsewhere !== undefined) {
    return { reason: where, hint: `There is ${elsewhere}: give that path` };
  }
  if (SHELLS.includes(posix.basename(program))) {
    const sh = await resolveIn(view, '/bin/sh');
    return sh.kind === 'found'
      ? { reason: where, hint: 'The image has /bin/sh' }
      : {
          reason: `${where}: the image has no shell`,
          hint: 'Give the command as a list, like ["program", "argument"]: that form needs no shell',
        };
  }
  const near = await findNear(view, query);
  return {
    reason: where,
    hint:
      near === undefined ? 'Check the name, and whether the image has the program' : `Did you mean ${near}?`,
  };
}
