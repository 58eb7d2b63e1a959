import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encodeFrame, FieldWriter, FrameDecoder } from '../base/index.ts';
import { MachineControl } from './control.ts';
import { fileTag, guestMessage, guestTag, recordTag } from './guest-protocol.ts';
import { VM_CONTROL_SOCKET, vmControl } from './vm-plan.ts';

describe("the client of a machine's monitor", () => {
  let folder: string;
  let server: Server | undefined;
  beforeEach(async () => {
    folder = await mkdtemp('/tmp/berth-control-');
  });
  afterEach(async () => {
    server?.close();
    await rm(folder, { recursive: true });
  });

  /** A monitor that answers each request by a function. */
  async function monitor(answer: (type: number, payload: Buffer, socket: Socket) => Uint8Array) {
    server = createServer((socket) => {
      const decoder = new FrameDecoder();
      socket.once('data', (chunk: Buffer) => {
        for (const { type, payload } of decoder.push(chunk)) socket.write(answer(type, payload, socket));
      });
    });
    const { promise, resolve } = Promise.withResolvers<void>();
    server.listen(`${folder}/${VM_CONTROL_SOCKET}`, resolve);
    await promise;
    return new MachineControl(folder);
  }

  it('reads the accounts of the guest by their paths', async () => {
    const file = new FieldWriter().text(fileTag.path, 'meminfo').text(fileTag.content, 'MemTotal: 1 kB\n');
    const control = await monitor((type) => {
      expect(type).toBe(guestMessage.statistics);
      return encodeFrame(
        guestMessage.files,
        1,
        new FieldWriter().bytes(guestTag.file, file.finish()).finish(),
      );
    });
    expect(await control.statistics()).toEqual(new Map([['meminfo', 'MemTotal: 1 kB\n']]));
  });

  it('reads the processes of the guest', async () => {
    const record = new FieldWriter()
      .number(recordTag.pid, 1)
      .text(recordTag.stat, '1 (sh) S')
      .text(recordTag.status, 'Name:\tsh')
      .text(recordTag.command, 'sh\0-c\0true\0')
      .text(recordTag.user, 'root');
    const control = await monitor(() =>
      encodeFrame(
        guestMessage.processList,
        1,
        new FieldWriter().bytes(guestTag.process, record.finish()).finish(),
      ),
    );
    expect(await control.processes()).toEqual([
      { pid: 1, stat: '1 (sh) S', status: 'Name:\tsh', command: ['sh', '-c', 'true'], user: 'root' },
    ]);
  });

  it('hands a stream over behind the answer, whatever comes together with it', async () => {
    const control = await monitor((type) => {
      expect(type).toBe(vmControl.stream);
      return Buffer.concat([encodeFrame(guestMessage.started, 1), Buffer.from('first words')]);
    });
    const socket = await control.openFiles('root');
    const { promise, resolve } = Promise.withResolvers<Buffer>();
    socket.once('data', resolve);
    expect(String(await promise)).toBe('first words');
    socket.destroy();
  });

  it("throws the guest's own reason, and says when the machine has ended", async () => {
    const words = new FieldWriter().text(guestTag.message, 'connection refused').finish();
    const control = await monitor(() => encodeFrame(guestMessage.error, 1, words));
    await expect(control.connect(80, ['127.0.0.1'])).rejects.toThrow('connection refused');
    const ended = new MachineControl(`${folder}/none`);
    await expect(ended.statistics()).rejects.toMatchObject({ kind: 'unavailable' });
  });

  describe('of a guest that stays silent', () => {
    /** The promise resolves when a request is there. */
    async function silent(patience: number) {
      const asked = Promise.withResolvers<void>();
      await monitor(() => {
        asked.resolve();
        return Buffer.alloc(0);
      });
      return { control: new MachineControl(folder, { patience }), asked: asked.promise };
    }

    const REQUESTS: Record<string, (control: MachineControl, signal?: AbortSignal) => Promise<unknown>> = {
      statistics: (control, signal) => control.statistics(signal),
      processes: (control, signal) => control.processes(signal),
      state: (control, signal) => control.state(signal),
      'a kill': (control, signal) => control.killAll(signal),
      'a file': (control, signal) => control.putFile('/etc/hosts', Buffer.alloc(0), signal),
      'its files': (control, signal) => control.openFiles('root', signal),
    };

    it.each(Object.entries(REQUESTS))('waits for %s no longer than its patience', async (_name, ask) => {
      const { control } = await silent(1);
      await expect(ask(control)).rejects.toMatchObject({
        kind: 'unavailable',
        message: "the virtual machine's guest has not answered for 0.001 s",
      });
    });

    it.each([
      ...Object.entries(REQUESTS),
      [
        'a connection',
        (control: MachineControl, signal?: AbortSignal) => control.connect(1, ['::1'], signal),
      ],
    ] as const)('waits for %s no longer than whoever asks', async (_name, ask) => {
      const { control, asked } = await silent(1_000_000);
      const asker = new AbortController();
      const answer = ask(control, asker.signal);
      await asked;
      asker.abort(new Error('the client has gone'));
      await expect(answer).rejects.toThrow('the client has gone');
    });
  });

  it('does not wait for an answer of a monitor that goes away', async () => {
    const control = await monitor((_type, _payload, socket) => {
      socket.destroy();
      return Buffer.alloc(0);
    });
    await expect(control.statistics()).rejects.toThrow('the virtual machine has ended');
  });
});
