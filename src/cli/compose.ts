import type { Cli } from './cli.ts';
import { composeHelp, findComposeCommand, refuseComposeCommand } from './compose/command-table.ts';
import { ComposeContext } from './compose/context.ts';
import { composeOptionsCommand, readComposeOptions } from './compose/options.ts';
import { runCommand } from './grammar.ts';

/**
 * `berth compose`, also called as docker-compose: `path` is how it was called, for its usage texts, `words` what
 * follows. Sets `cli.exitCode` or throws.
 */
export async function runCompose(cli: Cli, path: string, words: readonly string[]): Promise<void> {
  const grammar = composeOptionsCommand(path);
  const outcome = await runCommand(grammar, words);
  if (outcome.kind === 'refused') return refuse(cli, outcome);
  const options = readComposeOptions(grammar);
  const [word, ...rest] = grammar.args;
  if (outcome.kind === 'help' || word === undefined || word === 'help') {
    process.stdout.write(composeHelp(path, grammar));
    return;
  }
  const entry = findComposeCommand(word);
  if (entry === undefined) return refuse(cli, refuseComposeCommand(path, word));
  const build = await entry.load();
  const command = build(new ComposeContext(cli, options), `${path} ${word}`);
  const ran = await runCommand(command, rest);
  if (ran.kind === 'refused') refuse(cli, ran);
  if (ran.kind === 'help') process.stdout.write(ran.text);
}

/** With Docker Compose, a wrong option is exit code 1, too. */
function refuse(cli: Cli, { text }: { readonly text: string }): void {
  process.stderr.write(text);
  cli.exitCode = 1;
}
