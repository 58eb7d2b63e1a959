import { stripVTControlCharacters } from 'node:util';
import { describe, expect, test } from 'vitest';
import { run } from '../../src/base/index.ts';

const SANDBOX = `${import.meta.dirname}/../../scripts/sandbox/run`;

// What a newcomer types, twice, on a machine of its own; then what was started is ended again.
const TWO_STARTS = `
set -e
scripts/start
echo --- again
scripts/start
echo --- ends
end_daemon() {
  local pid=$(cat /run/berth/berthd.pid)
  kill $pid
  tail --pid=$pid -f /dev/null
}
end_daemon
bin/berth rm -f flask-tutorial
end_daemon
bin/berthd --remove-host-state
`;

describe('npm start', () => {
  test('runs the tutorial, brings berthd up whenever it is not there, and does nothing twice', async () => {
    // The launcher and the registry go with the sandbox, whose last check would name them.
    const env = { ...process.env, BERTH_LEAKS: '' };
    const { code, stdout, stderr } = await run(SANDBOX, ['bash', '-c', TWO_STARTS], { env });
    expect(code, stderr).toBe(0);
    const [first = '', second = ''] = stdout.toString().split('--- again\n');
    for (const output of [first, second]) expect(output).toContain('Hello, World!');
    const doneBy = (output: string) =>
      [...stripVTControlCharacters(output).matchAll(/^· (.*)$/gm)].map(([, what]) => what);
    expect(doneBy(first)).toContain('running it as flask-tutorial');
    expect(doneBy(second.split('--- ends')[0] ?? '')).toEqual([
      'building examples/flask as my-flask-app',
      expect.stringMatching(/^fetching http:\/\/localhost:\d+$/),
    ]);
    expect(stderr.match(/starting berthd/g)).toHaveLength(1);
  });
});
