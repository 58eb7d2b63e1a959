import { isMap, isScalar, isSeq, LineCounter, parseDocument, stringify, visit } from 'yaml';
import { type BerthError, invalid } from '../../../base/index.ts';
import type { FirstBootData } from '../systems.ts';

/**
 * The user-data that cloud-init is given: the user's own as it is, else what makes the wanted user, packages and commands. Everything
 * is checked by {@link requireFirstBoot} first.
 */
export function renderUserData(data: FirstBootData): string {
  if (data.userData !== undefined) return data.userData;
  const { user, sshKeys, packages, run } = data;
  return `#cloud-config\n${stringify({
    // As the system's own default user has its groups and its rights, under another name.
    ...(user === 'root' ? { disable_root: false, users: [] } : { user: { name: user } }),
    ssh_authorized_keys: sshKeys,
    ...(packages.length === 0 ? {} : { package_update: true, packages }),
    ...(run.length === 0 ? {} : { runcmd: run }),
  })}`;
}

/** Throws `invalid` for what cloud-init would not understand, without repeating what may be secret. */
export function requireFirstBoot({ sshKeys, packages, run, userData }: FirstBootData): void {
  for (const key of sshKeys) requirePublicKey(key);
  for (const name of packages) requirePackage(name);
  if (run.some((line) => line.includes('\0')))
    throw invalid('a command for the first boot has a NUL character');
  if (userData !== undefined) requireUserData(userData);
}

/** sshd(8), AUTHORIZED_KEYS FILE FORMAT: options may come first. */
const PUBLIC_KEY =
  /(^|\s)(ssh-(ed25519|rsa|dss)|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com) [A-Za-z0-9+/]{40,}={0,3}(\s|$)/;

function requirePublicKey(key: string): void {
  if (key.includes('PRIVATE KEY')) {
    throw invalid('that is a private SSH key: a machine needs the public one', {
      hint: 'Give the file that ends in .pub',
    });
  }
  if (/[\r\n\0]/.test(key) || !PUBLIC_KEY.test(key)) {
    throw invalid('an SSH key is not as a line of authorized_keys is written', {
      hint: 'It looks like "ssh-ed25519 AAAA… name": ssh-keygen -t ed25519 makes one, in a file that ends in .pub',
    });
  }
}

function requirePackage(name: string): void {
  if (/^[A-Za-z0-9][A-Za-z0-9.+:~=_/-]*$/.test(name)) return;
  throw invalid(`"${name}" is no name of a package`);
}

/** What cloud-init knows user-data by: its first line (cloud-init's documentation, "User-data formats"). */
const HANDLED_AS_IT_IS = [
  /^#!/,
  /^#include(-once)?\s*$/,
  /^#cloud-boothook\s*$/,
  /^#part-handler\s*$/,
  /^## template:\s*jinja\s*$/,
  /^(content-type|mime-version):/i,
];

function requireUserData(text: string): void {
  if (text.includes('\0')) throw wrong({ line: 1, col: 1 }, 'it is no text');
  const [first = ''] = text.split(/\r?\n/, 1);
  if (HANDLED_AS_IT_IS.some((beginning) => beginning.test(first))) return;
  const isList = /^#cloud-config-archive\s*$/.test(first);
  if (!isList && !/^#cloud-config\s*$/.test(first)) {
    throw wrong({ line: 1, col: 1 }, 'cloud-init would not know what it is and pass it over', {
      hint: 'Begin it with "#cloud-config", or with "#!" for a script; MIME multipart is taken as it is',
    });
  }
  requireYaml(text, isList ? 'list' : 'mapping');
}

/** cloud-init reads YAML 1.1 with the common tags alone, and takes the last of two equal keys. */
function requireYaml(text: string, wanted: 'list' | 'mapping'): void {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    ...{ version: '1.1', lineCounter: lines, prettyErrors: false, uniqueKeys: false },
  });
  const [error] = [...document.errors, ...document.warnings];
  if (error !== undefined) throw wrong(lines.linePos(error.pos[0]), reasonOf(error.message));
  visit(document, {
    Alias: (_, alias) => {
      if (alias.resolve(document) !== undefined) return;
      throw wrong(lines.linePos(alias.range?.[0] ?? 0), 'an alias (*) of something that has no anchor (&)');
    },
  });
  const { contents } = document;
  if (contents === null || (isScalar(contents) && contents.value === null)) return;
  const isWanted = wanted === 'list' ? isSeq(contents) : isMap(contents);
  if (!isWanted) throw wrong(lines.linePos(contents.range?.[0] ?? 0), `it must be a ${wanted}`);
}

/** Without what follows a colon, or in further lines: that repeats the file, which may hold secrets. */
const reasonOf = (message: string): string => message.split(/[:\n]/, 1).join();

function wrong(at: { line: number; col: number }, reason: string, details?: { hint: string }): BerthError {
  return invalid(`the cloud-init data is wrong in line ${at.line}, column ${at.col}: ${reason}`, details);
}
