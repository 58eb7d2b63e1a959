import { run, unavailable } from '../base/index.ts';

/** Runs iproute2 commands in one process, all or up to the first that fails; in another namespace when a path is given. */
export async function ipBatch(lines: readonly string[], namespacePath?: string): Promise<void> {
  if (lines.length === 0) return;
  const args = ['-batch', '-'];
  const [file, allArgs] =
    namespacePath === undefined ? ['ip', args] : ['nsenter', [`--net=${namespacePath}`, 'ip', ...args]];
  const { code, stderr } = await run(file, allArgs, { input: `${lines.join('\n')}\n` });
  if (code !== 0) throw networkFailure('ip', stderr, lines);
}

/** Applies an nftables script in one transaction (nft(8), -f). */
export async function nftApply(script: string): Promise<void> {
  const { code, stderr } = await run('nft', ['-f', '-'], { input: script });
  if (code === 0) return;
  if (/Operation not supported|Protocol not supported/.test(stderr)) {
    throw unavailable(`this kernel lacks a part of nftables: ${firstLine(stderr)}`, {
      hint: 'Load the modules nf_tables, nft_chain_nat and nft_masq',
    });
  }
  throw networkFailure('nft', stderr, script.split('\n'));
}

/** Deletes interfaces; one that is gone already, as a veth's end is with its namespace, is no error. */
export async function deleteLinks(names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  const lines = names.map((name) => `link del ${name}`);
  const { stderr } = await run('ip', ['-force', '-batch', '-'], { input: `${lines.join('\n')}\n` });
  const failures = stderr.split('\n').filter((line) => !/^(Cannot find device|Command failed|$)/.test(line));
  if (failures.length > 0) throw networkFailure('ip', failures.join('\n'), lines);
}

/** Names of the host's interfaces. */
export async function hostLinks(): Promise<string[]> {
  const { stdout } = await run('ip', ['-j', 'link', 'show']);
  return parseList(stdout).map(({ ifname }) => String(ifname));
}

/** The host's IPv4 routes in its main table. */
export async function hostRoutes(): Promise<{ destination: string; device: string }[]> {
  const { stdout } = await run('ip', ['-j', '-4', 'route', 'show']);
  return parseList(stdout).map(({ dst, dev }) => ({ destination: String(dst), device: String(dev ?? '') }));
}

function parseList(json: Buffer): Record<string, unknown>[] {
  const text = json.toString().trim();
  return text === '' ? [] : (JSON.parse(text) as Record<string, unknown>[]);
}

function networkFailure(program: string, stderr: string, lines: readonly string[]) {
  const failed = /Command failed -:(\d+)/.exec(stderr)?.[1];
  const command = failed === undefined ? undefined : lines[Number(failed) - 1];
  const reason = firstLine(stderr.replace(/^(RTNETLINK answers|Error): /, ''));
  return unavailable(`${program} refused${command === undefined ? '' : ` "${command}"`}: ${reason}`);
}

const firstLine = (text: string) => text.trim().split('\n')[0] ?? '';
