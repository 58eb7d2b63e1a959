import { type BerthError, internal, isBerthError, run, unavailable } from '../base/index.ts';
import { CommandStream, type StreamProgram } from './command-stream.ts';

/** nftables: a stream for small changes of elements, a process for whole tables. Every call is one transaction. */
export class Nftables implements AsyncDisposable {
  readonly #stream = new CommandStream(nftProgram);

  /** Applies commands together or not at all. "missing" when a table, set or element that they name is not there. */
  async change(commands: readonly string[]): Promise<'done' | 'missing'> {
    if (commands.length === 0) return 'done';
    const answer = await this.#stream.run(commands);
    if (answer.kind === 'done') return 'done';
    if (/No such file or directory/.test(answer.reason)) return 'missing';
    throw nftFailure(answer.reason);
  }

  /** Applies a script of any length (nft(8), -f). */
  async load(script: string): Promise<void> {
    const { code, stderr } = await run('nft', ['-f', '-'], { input: script }).catch((error: unknown) => {
      throw isBerthError(error, 'unavailable')
        ? unavailable(error.message, { hint: 'Install the package nftables', cause: error })
        : error;
    });
    if (code !== 0) throw nftFailure(stderr);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stream[Symbol.asyncDispose]();
  }
}

/** Asking for a table that never exists: nft's complaint comes after all answers to what was asked before. */
const MARK = 'list table inet berth-end-of-batch';

/**
 * `nft -i` reads commands without a terminal too. One line is one transaction; a refusal is printed at once on
 * standard error, with the line itself and a row of carets below.
 */
const nftProgram: StreamProgram = {
  file: 'nft',
  args: ['-i'],
  env: { ...process.env, HOME: '/nonexistent' }, // its history file would be written there
  encode: (commands) => `${commands.join('; ')}\n${MARK}\n`,
  decode: ({ stderr }) => {
    const at = stderr.indexOf(`\n${MARK}\n`);
    if (at < 0 || !/\^+\s*\n$/.test(stderr.slice(at))) return undefined;
    const before = stderr.slice(0, stderr.lastIndexOf('Error:', at)).trim();
    return before.includes('Error:') ? { kind: 'refused', reason: before } : { kind: 'done' };
  },
};

function nftFailure(stderr: string): BerthError {
  const reason = /Error: (.*)/.exec(stderr)?.[1] ?? stderr.trim().split('\n')[0] ?? '';
  if (/Operation not permitted/.test(stderr)) {
    return unavailable(`firewall rules cannot be changed: ${reason}`, {
      hint: 'Run berthd as root (CAP_NET_ADMIN)',
    });
  }
  if (/not supported|No such file or directory|unable to initialize Netlink/i.test(stderr)) {
    return unavailable(`this kernel lacks a part of nftables: ${reason}`, {
      hint: 'Load the modules nf_tables, nft_chain_nat, nft_masq and nft_fib_inet',
    });
  }
  return internal(`nft refused a change of the firewall: ${reason}`);
}
