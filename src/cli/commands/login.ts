import { text } from 'node:stream/consumers';
import { invalid } from '../../base/index.ts';
import { RegistryCredentials } from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { CliCommand } from '../grammar.ts';
import { ask, askSecret } from '../terminal/ask.ts';

const DOCKER_HUB = 'docker.io';

interface LoginFlags {
  readonly username?: string;
  readonly password?: string;
  readonly passwordStdin?: boolean;
}

export function loginCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Authenticate to a registry');
  command
    .usage('[OPTIONS] [SERVER]')
    .argument('[server]')
    .option('-p, --password <string>', 'Password')
    .option('--password-stdin', 'Take the password from stdin')
    .option('-u, --username <string>', 'Username')
    .action((server: string | undefined, flags: LoginFlags) => login(cli, domainOf(server), flags));
  return command;
}

export function logoutCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(path, 'Log out from a registry');
  command
    .usage('[SERVER]')
    .argument('[server]')
    .action(async (server: string | undefined) => {
      const domain = domainOf(server);
      const wasKnown = await new RegistryCredentials(cli.env).erase(domain);
      process.stdout.write(
        wasKnown ? `Removing login credentials for ${domain}\n` : `Not logged in to ${domain}\n`,
      );
    });
  return command;
}

/** Keeps the credentials only when the registry takes them. */
async function login(cli: Cli, domain: string, flags: LoginFlags): Promise<void> {
  const { username, password } = await readLogin(domain, flags);
  const client = await cli.connect();
  await client.system.login({ username, password, serveraddress: domain });
  const kept = await new RegistryCredentials(cli.env).store(domain, { username, password });
  if (kept.kind === 'file') {
    process.stderr.write(
      `WARNING! Your credentials are stored unencrypted in '${kept.path}'.\n` +
        'Configure a credential helper ("credsStore" in that file) to keep them elsewhere.\n',
    );
  }
  process.stdout.write('Login Succeeded\n');
}

async function readLogin(
  domain: string,
  flags: LoginFlags,
): Promise<{ readonly username: string; readonly password: string }> {
  if (flags.passwordStdin === true) {
    if (flags.password !== undefined) throw invalid('--password and --password-stdin are mutually exclusive');
    if (flags.username === undefined) throw invalid('Must provide --username with --password-stdin');
    const password = (await text(process.stdin)).replace(/\r?\n$/, '');
    return { username: flags.username, password: required(password, 'password is empty') };
  }
  if (flags.password !== undefined) {
    process.stderr.write('WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n');
  } else if (!process.stdin.isTTY) {
    throw invalid('cannot perform an interactive login from a non-TTY device', {
      hint: 'Use --username and --password-stdin',
    });
  }
  const username = required(
    flags.username ?? (await ask(`Username for ${domain}: `)),
    'username is required',
  );
  const password = flags.password ?? (await askSecret('Password: '));
  return { username, password: required(password, 'password is required') };
}

function required(value: string, reason: string): string {
  if (value === '') throw invalid(reason);
  return value;
}

/** The host of a server's address, docker.io by default. */
function domainOf(server: string | undefined): string {
  const host = (server ?? '').replace(/^https?:\/\//, '').replace(/\/.*$/, '');
  return ['', 'index.docker.io', 'registry-1.docker.io'].includes(host) ? DOCKER_HUB : host;
}
