import type { CheckReport, Damage } from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { CliCommand } from '../grammar.ts';

/** `system check`: whether all that images are made of is whole. Exit code 1 while something is damaged. */
export function checkCommand(cli: Cli, path: string): CliCommand {
  const command = new CliCommand(
    path,
    'Check all images for damage: every blob and layer is read and hashed',
  );
  command
    .usage('[OPTIONS]')
    .option('--repair', 'Fetch what is damaged from its registry, or make it again')
    .action(async ({ repair = false }: { repair?: boolean }) => {
      const report = await check(cli, repair);
      if (report === undefined) return;
      process.stdout.write(`${describe(report).join('\n')}\n`);
      if (report.Damages.some(({ Repair }) => Repair !== 'done')) cli.exitCode = 1;
    });
  return command;
}

async function check(cli: Cli, repair: boolean): Promise<CheckReport | undefined> {
  const client = await cli.connect();
  const screen = process.stderr.isTTY ? process.stderr : undefined;
  let report: CheckReport | undefined;
  try {
    for await (const message of client.images.check({ repair })) {
      const { status, progressDetail: { current = 0, total = 0 } = {}, aux } = message;
      if (status !== undefined) screen?.write(`\r\x1b[K${status} (${current + 1} of ${total})`);
      report = aux ?? report;
    }
  } finally {
    screen?.write('\r\x1b[K');
  }
  return report;
}

function describe({ Blobs, Layers, Damages }: CheckReport): string[] {
  const whole = Damages.length === 0 ? 'no damage' : `${Damages.length} damaged`;
  return [...Damages.map(describeDamage), `Checked ${Blobs} blobs and ${Layers} layers: ${whole}`];
}

function describeDamage({ Kind, Digest, Reason, Images, Repair, RepairError }: Damage): string {
  const needed = Images.length === 0 ? 'no image' : Images.join(', ');
  const outcome =
    Repair === 'done' ? 'repaired' : Repair === 'failed' ? `not repaired: ${RepairError}` : 'damaged';
  return `${Kind} ${Digest} (of ${needed}): ${Reason}: ${outcome}`;
}
