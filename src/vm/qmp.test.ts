import { once } from 'node:events';
import { type Duplex, duplexPair } from 'node:stream';
import { expect, test } from 'vitest';
import { Qmp } from './qmp.ts';

/** A QEMU whose answers the test writes. */
function stand(): { qmp: Qmp; say: (line: string) => void; heard: Duplex; end: () => void } {
  const [ours, theirs] = duplexPair();
  return {
    qmp: new Qmp(ours),
    heard: theirs,
    say: (line) => theirs.write(`${line}\r\n`),
    end: () => theirs.end(),
  };
}

const stop = { command: { execute: 'stop' } };
const completed = { event: 'MIGRATION', words: ['"completed"'] };

test('a command waits for the answer to the one before', async () => {
  const { qmp, say, heard } = stand();
  const done = qmp.perform([stop, { command: { execute: 'cont' } }]);
  expect(String(await once(heard, 'data'))).toBe('{"execute":"stop"}\n');
  say('{"QMP": {"version": {}}}');
  say('{"timestamp": {"seconds": 1}, "event": "STOP"}');
  say('{"return": {}}');
  expect(String(await once(heard, 'data'))).toBe('{"execute":"cont"}\n');
  say('{"return": {}}');
  await done;
});

test('an event that came since the last command is not waited for again', async () => {
  const { qmp, say } = stand();
  const done = qmp.perform([stop, completed]);
  say('{"event": "MIGRATION", "data": {"status": "active"}}');
  say('{"event": "MIGRATION", "data": {"status": "completed"}}');
  say('{"return": {}}');
  await done;
});

test('an event is waited for until one comes that has the words', async () => {
  const { qmp, say } = stand();
  let isDone = false;
  const done = qmp.perform([stop, completed]).then(() => {
    isDone = true;
  });
  say('{"return": {}}');
  say('{"event": "MIGRATION", "data": {"status": "setup"}}');
  await new Promise(setImmediate);
  expect(isDone).toBe(false);
  say('{"event": "MIGRATION", "data": {"status": "completed"}}');
  await done;
});

test("a refusal has QEMU's own words", async () => {
  const { qmp, say } = stand();
  const done = qmp.perform([{ command: { execute: 'device_add' } }]);
  say('{"error": {"class": "GenericError", "desc": "Bus \'disks.0\' not found"}}');
  await expect(done).rejects.toThrow("QEMU refuses device_add: Bus 'disks.0' not found");
});

test('what is under way fails when QEMU ends, and so does what comes after', async () => {
  const { qmp, end } = stand();
  const command = qmp.perform([stop]);
  end();
  await expect(command).rejects.toThrow('QEMU has ended');
  await expect(qmp.perform([stop])).rejects.toThrow('QEMU has ended');

  const second = stand();
  const event = second.qmp.perform([stop, completed]);
  second.say('{"return": {}}');
  second.end();
  await expect(event).rejects.toThrow('QEMU has ended');
});
