import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { run } from '../../src/base/index.ts';

const sandbox = join(import.meta.dirname, 'run');

describe.skipIf(process.getuid?.() !== 0)('the sandbox of a test run (needs root)', () => {
  test('shows its own processes and network only, and hands on the exit code', async () => {
    const { code, stdout } = await run(sandbox, ['sh', '-c', 'ls /sys/class/net; echo $$; ls /tmp; exit 7']);
    expect(code).toBe(7);
    const [loopback, tap, pid, ...files] = stdout.toString().trim().split('\n');
    expect([loopback, tap, ...files]).toEqual(['lo', 'tap0']);
    expect(Number(pid)).toBeLessThan(1000);
  });

  test('leaves nothing on the machine when it is killed, and ends what ran in it', async () => {
    const tellFolder = "tr '\\0' '\\n' </proc/1/cmdline | grep '^/var/tmp/berth-test[.]'";
    const script = `setsid sleep infinity & ${tellFolder}; wait`;
    const child = spawn(sandbox, ['sh', '-c', script], { stdio: ['ignore', 'pipe', 'ignore'] });
    const [said] = await once(child.stdout, 'data');
    const folder = String(said).trim();
    const wasThere = existsSync(folder);
    child.kill('SIGKILL');
    await once(child, 'close'); // its output is closed by the last process that held it
    expect([wasThere, existsSync(folder)]).toEqual([true, false]);
  });

  test('tells what the command left behind', async () => {
    const started = 'until grep -q sleep /proc/$!/comm; do :; done'; // or it is still the shell that forked
    const script = `ip link add left type bridge; setsid sleep infinity >/dev/null 2>&1 & ${started}`;
    const { stderr } = await run(sandbox, ['sh', '-c', script], { env: { ...process.env, BERTH_LEAKS: '' } });
    expect(stderr).toMatch(/^left behind: link left:$/m);
    expect(stderr).toMatch(/^left behind: process .* sleep infinity$/m);
  });
});
