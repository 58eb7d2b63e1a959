import { invalid, nearestWord } from '../base/index.ts';
import type { OciUser } from './oci-types.ts';

/** The text of a root's /etc/passwd and /etc/group; empty where a file is missing. */
export interface Accounts {
  readonly passwd: string;
  readonly group: string;
}

/** Whom a process runs as, and where that user lives. */
export interface ResolvedUser extends OciUser {
  /** The home folder from passwd, "/" where there is none. */
  readonly home: string;
}

const MAX_ID = 2 ** 31 - 1;

/**
 * Resolves what users write after `-u` ("", "name", "uid", "uid:gid", "name:group") by the root's own
 * accounts, as Docker does: a numeric uid that passwd does not know gets gid 0; the user's supplementary
 * groups are taken only when no group is named; a number is always an id, never a name.
 * `groupAdd` are further groups (names or ids). Throws `invalid` in Docker's words for unknown names.
 */
export function resolveUser(
  text: string,
  accounts: Accounts,
  groupAdd: readonly string[] = [],
): ResolvedUser {
  const [userText = '', groupText = ''] = text.split(':');
  const passwd = parsePasswd(accounts.passwd);
  const groups = parseGroups(accounts.group);

  const userId = parseId(userText);
  const entry = passwd.find((one) =>
    userText === '' ? one.uid === 0 : userId === undefined ? one.name === userText : one.uid === userId,
  );
  if (entry === undefined && userText !== '' && userId === undefined) {
    throw invalid(`unable to find user ${userText}: no matching entries in passwd file`, {
      hint: hintFor(
        userText,
        passwd.map(({ name }) => name),
        'user',
      ),
    });
  }
  const uid = entry?.uid ?? userId ?? 0;
  const gid = groupText === '' ? (entry?.gid ?? 0) : findGroup(groupText, groups);
  const supplementary =
    groupText === '' && entry !== undefined
      ? groups.filter((group) => group.members.includes(entry.name)).map((group) => group.gid)
      : [];
  const additionalGids = [gid, ...supplementary, ...groupAdd.map((name) => findAddedGroup(name, groups))];
  return { uid, gid, additionalGids: [...new Set(additionalGids)], home: entry?.home || '/' };
}

interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

interface GroupEntry {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

function findGroup(text: string, groups: readonly GroupEntry[]): number {
  const id = parseId(text);
  if (id !== undefined) return id;
  const group = groups.find((one) => one.name === text);
  if (group !== undefined) return group.gid;
  throw noGroup(text, groups);
}

function noGroup(text: string, groups: readonly GroupEntry[]) {
  const names = groups.map(({ name }) => name);
  return invalid(`unable to find group ${text}: no matching entries in group file`, {
    hint: hintFor(text, names, 'group'),
  });
}

/** The account that was most likely meant, else how to do without one. */
function hintFor(text: string, names: readonly string[], kind: 'user' | 'group'): string {
  const near = nearestWord(text, names);
  const otherwise = `Use a numeric id, or add the ${kind} in the image`;
  return near === undefined ? otherwise : `Did you mean ${near}? ${otherwise}`;
}

function findAddedGroup(text: string, groups: readonly GroupEntry[]): number {
  const named = groups.find((one) => one.name === text)?.gid ?? parseId(text);
  if (named !== undefined) return named;
  throw noGroup(text, groups);
}

/** A number as an id, or undefined when the text is a name. */
function parseId(text: string): number | undefined {
  if (!/^-?\d+$/.test(text)) return undefined;
  const id = Number(text);
  if (id < 0 || id > MAX_ID) throw invalid(`uids and gids must be in range 0-${MAX_ID}: ${text}`);
  return id;
}

function parsePasswd(text: string): PasswdEntry[] {
  return accountLines(text).map(([name = '', , uid, gid, , home = '']) => ({
    name,
    uid: leadingNumber(uid),
    gid: leadingNumber(gid),
    home,
  }));
}

function parseGroups(text: string): GroupEntry[] {
  return accountLines(text).map(([name = '', , gid, members = '']) => ({
    name,
    gid: leadingNumber(gid),
    members: members.split(','),
  }));
}

/** Blank lines and comments are skipped, as glibc does. */
function accountLines(text: string): string[][] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(':'));
}

/** Broken numbers count as 0, as in Docker. */
function leadingNumber(text: string | undefined): number {
  const value = Number(text ?? '');
  return Number.isSafeInteger(value) ? value : 0;
}
