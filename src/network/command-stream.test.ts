import { afterEach, expect, it } from 'vitest';
import { CommandStream, type StreamProgram } from './command-stream.ts';

const open: CommandStream[] = [];
afterEach(async () => {
  for (const stream of open.splice(0)) await stream[Symbol.asyncDispose]();
});

/** A small program that answers on standard output after each batch; "pid" prints, "fail" ends it with a reason. */
const script = `require('readline').createInterface({ input: process.stdin }).on('line', (line) => {
  if (line === 'fail') { console.error('no such thing'); process.exit(1); }
  if (line === 'die') process.kill(process.pid, 'SIGKILL');
  if (line === 'pid') process.stdout.write(process.pid + ' ');
  if (line === 'end') process.stdout.write('\\n');
})`;

let printed: string[] = [];
const program: StreamProgram = {
  file: process.execPath,
  args: ['-e', script],
  encode: (commands) => [...commands, 'end', ''].join('\n'),
  decode: ({ stdout }) => {
    if (!stdout.endsWith('\n')) return undefined;
    printed.push(stdout.trim());
    return { kind: 'done' };
  },
};

function start(overrides: Partial<StreamProgram> = {}): CommandStream {
  printed = [];
  const stream = new CommandStream({ ...program, ...overrides });
  open.push(stream);
  return stream;
}

it('serves batches one after the other by the same process', async () => {
  const stream = start();
  const answers = await Promise.all([stream.run(['pid']), stream.run(['pid', 'pid']), stream.run(['pid'])]);
  expect(answers).toEqual([{ kind: 'done' }, { kind: 'done' }, { kind: 'done' }]);
  const [pid] = printed;
  expect(printed).toEqual([pid, `${pid} ${pid}`, pid]);
});

it('hands on the reason of a refusal, and starts the program again for the next batch', async () => {
  const stream = start();
  const [first, refused, next] = await Promise.all([
    stream.run(['pid']),
    stream.run(['pid', 'fail', 'pid']),
    stream.run(['pid']),
  ]);
  expect([first.kind, next.kind]).toEqual(['done', 'done']);
  expect(refused).toEqual({ kind: 'refused', reason: 'no such thing' });
  expect(printed[0]).not.toBe(printed[1]);
});

it('reports a program that was killed, and goes on with a new one', async () => {
  const stream = start();
  expect(await stream.run(['die'])).toEqual({ kind: 'refused', reason: 'it ended' });
  expect(await stream.run(['pid'])).toEqual({ kind: 'done' });
});

it('says which program is not installed', async () => {
  const stream = start({ file: '/nonexistent/nft' });
  await expect(stream.run(['pid'])).rejects.toThrow('the program /nonexistent/nft is not installed');
  await expect(stream.run(['pid'])).rejects.toMatchObject({ kind: 'unavailable' });
});
