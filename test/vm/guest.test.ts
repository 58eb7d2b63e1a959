import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decodeFields, encodeFrame, FrameDecoder, numberOf, textOf } from '../../src/base/index.ts';
import { FileField, FileMessage } from '../../src/runtime/file-protocol.ts';
import {
  fileTag,
  guestMessage,
  guestTag,
  guestWorker,
  interfaceTag,
  mountTag,
  processTag,
  routeTag,
  setupTag,
} from '../../src/vm/guest-protocol.ts';
import { bootGuest, fields, type Guest, said, untilEnd, waiting } from './guest.ts';

const file = (path: string, content: string) =>
  fields((writer) => writer.text(fileTag.path, path).text(fileTag.content, content));

/** A file's content by one of berth's workers in the guest. */
async function readBy(guest: Guest, worker: number, path: string): Promise<string> {
  const program = await guest.start([], (process) =>
    process.number(processTag.worker, worker).number(processTag.stdin, 1),
  );
  const request = fields((fields) => fields.text(FileField.path, path).number(FileField.limit, 1000));
  program.write(encodeFrame(FileMessage.readFile, 1, request));
  program.closeInput();
  const { stdout } = await program.finished;
  const [reply] = new FrameDecoder().push(Buffer.from(stdout, 'latin1'));
  const answer = decodeFields(reply?.payload ?? Buffer.alloc(0));
  if (reply?.type === FileMessage.done) return textOf(answer, FileField.content);
  throw new Error(textOf(answer, FileField.message));
}

/** 10.1.2.3 for each name but "nobody", which gets no answer. */
function addressAnswer(question: Buffer): Buffer {
  if (question.includes('nobody')) return Buffer.alloc(0);
  const head = Buffer.from(question.subarray(0, 12));
  head.writeUInt16BE(0x8180, 2);
  head.writeUInt16BE(1, 6);
  return Buffer.concat([head, question.subarray(12), Buffer.from('c00c000100010000003c00040a010203', 'hex')]);
}

describe('a guest', () => {
  let guest: Guest;

  beforeAll(async () => {
    guest = await bootGuest({
      cards: 2,
      writable: 64 * 1024 ** 2,
      layers: [{ 'from-above': 'above', 'etc/hosts': 'of the image' }],
      shares: { '0/greeting': 'hello', '1/file': 'a file', '2/kept': 'safe' },
    });
    await guest.setUp((setup) => {
      setup
        .number(setupTag.time, 1_700_000_000_000_000_000n)
        .bytes(setupTag.seed, Buffer.alloc(64, 7))
        .text(setupTag.hostname, 'machine')
        .text(setupTag.domainname, 'example')
        .number(setupTag.writable, 1)
        .number(setupTag.shmSize, 8 * 1024 ** 2)
        .number(setupTag.nameService, 1)
        .bytes(setupTag.file, file('/etc/resolv.conf', 'nameserver 127.0.0.11\n'))
        .number(setupTag.pidsLimit, 100)
        .bytes(setupTag.file, file('/etc/hosts', '127.0.0.1 localhost\n'))
        .bytes(setupTag.file, file('/run/new/file', 'made'))
        .text(setupTag.sysctl, 'net.ipv4.ip_forward=1')
        .text(setupTag.sysctl, 'kernel.shmmax=12345678')
        .text(setupTag.maskedPath, '/proc/kcore')
        .text(setupTag.maskedPath, '/sys/firmware')
        .text(setupTag.maskedPath, '/no/such/path')
        .text(setupTag.readOnlyPath, '/proc/sys')
        .bytes(
          setupTag.interface,
          fields((card) =>
            card
              .bytes(interfaceTag.mac, Buffer.from('525400000001', 'hex'))
              .bytes(interfaceTag.newMac, Buffer.from('0242ac110002', 'hex'))
              .text(interfaceTag.name, 'eth0')
              .number(interfaceTag.mtu, 1400)
              .text(interfaceTag.address, '172.17.0.2/16')
              .text(interfaceTag.address, 'fd00::2/64'),
          ),
        )
        .bytes(
          setupTag.interface,
          fields((card) => card.text(interfaceTag.name, 'eth1').text(interfaceTag.address, '10.9.0.2/24')),
        )
        .bytes(
          setupTag.route,
          fields((route) => route.text(routeTag.gateway, '172.17.0.1').text(routeTag.interface, 'eth0')),
        )
        .bytes(
          setupTag.route,
          fields((route) => route.text(routeTag.gateway, 'fd00::1').text(routeTag.interface, 'eth0')),
        )
        .bytes(
          setupTag.route,
          fields((route) =>
            route
              .text(routeTag.destination, '10.20.0.0/16')
              .text(routeTag.gateway, '10.9.0.1')
              .text(routeTag.interface, 'eth1'),
          ),
        )
        .bytes(
          setupTag.mount,
          fields((mount) =>
            mount
              .text(mountTag.type, 'share')
              .text(mountTag.source, '/0')
              .text(mountTag.destination, '/shared'),
          ),
        )
        .bytes(
          setupTag.mount,
          fields((mount) =>
            mount
              .text(mountTag.type, 'share')
              .text(mountTag.source, '/1/file')
              .text(mountTag.destination, '/etc/shared.conf'),
          ),
        )
        .bytes(
          setupTag.mount,
          fields((mount) =>
            mount
              .text(mountTag.type, 'share')
              .text(mountTag.source, '/2')
              .text(mountTag.destination, '/safe')
              .number(mountTag.readOnly, 1),
          ),
        )
        .bytes(
          setupTag.mount,
          fields((mount) =>
            mount
              .text(mountTag.type, 'tmpfs')
              .text(mountTag.destination, '/scratch')
              .text(mountTag.options, 'size=1m,mode=1777,noexec'),
          ),
        );
    });
    await guest.start(untilEnd, (process) => waiting(process).number(processTag.init, 1));
  });
  afterAll(() => guest?.[Symbol.asyncDispose]());

  test('joins the layers, the upper one over the lower', async () => {
    expect(await said(guest, 'cat /from-below /from-above')).toBe('belowabove');
  });

  test('keeps what is written on its disk', async () => {
    await said(guest, 'echo new > /written; rm /from-above');
    expect(await said(guest, 'cat /written; ls /from-above 2>&1 || true; df -T / | tail -1')).toMatch(
      /^new\nls: \/from-above: No such file or directory\noverlay /,
    );
  });

  test('has the clock, the names and the entropy that it was given', async () => {
    expect(Math.abs(Number(await said(guest, 'date +%s')) - 1_700_000_000)).toBeLessThan(600);
    expect(await said(guest, 'hostname; cat /proc/sys/kernel/domainname')).toBe('machine\nexample');
  });

  test('sets its clock again after a pause', async () => {
    await guest.ask(
      guestMessage.setTime,
      fields((time) => time.number(guestTag.time, 1_800_000_000_000_000_000n)),
    );
    expect(await said(guest, 'date +%s')).toMatch(/^18000000/);
  });

  test('has its cards with their addresses, sizes and routes', async () => {
    expect(await said(guest, 'cat /sys/class/net/eth0/address /sys/class/net/eth0/mtu')).toBe(
      '02:42:ac:11:00:02\n1400',
    );
    const addresses = await said(guest, 'ip -o addr');
    for (const address of ['127.0.0.1/8', '172.17.0.2/16', 'fd00::2/64', '10.9.0.2/24'])
      expect(addresses).toContain(address);
    const routes = await said(guest, 'ip route; ip -6 route');
    expect(routes).toContain('default via 172.17.0.1 dev eth0');
    expect(routes).toContain('default via fd00::1 dev eth0');
    expect(routes).toContain('10.20.0.0/16 via 10.9.0.1 dev eth1');
  });

  test('shares folders and files of the host, both ways, and read-only ones', async () => {
    expect(await said(guest, 'cat /shared/greeting /etc/shared.conf')).toBe('helloa file');
    await said(guest, 'echo from the guest > /shared/answer');
    expect(await readFile(join(guest.shares, '0/answer'), 'utf8')).toBe('from the guest\n');
    await writeFile(join(guest.shares, '0/greeting'), 'changed');
    expect(await said(guest, 'cat /shared/greeting')).toBe('changed');
    const { code, stderr } = await guest.run(['/bin/sh', '-c', 'echo x > /safe/kept']);
    expect({ code, stderr }).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('Read-only file system'),
    });
  });

  test('has a tmpfs with its options, and shared memory of the size that was asked for', async () => {
    const mounts = await said(guest, 'cat /proc/mounts');
    expect(mounts).toMatch(/ \/scratch tmpfs rw,noexec,relatime,size=1024k/);
    expect(mounts).toMatch(/ \/dev\/shm tmpfs rw,nosuid,nodev,noexec,relatime,size=8192k/);
  });

  test("shows the usual devices, processes of its own, and nothing of PID 1's", async () => {
    expect(await said(guest, 'ls /dev')).toBe(
      'core\nfd\nfull\nmqueue\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero',
    );
    expect(await said(guest, 'cat /proc/1/cmdline | tr "\\0" " "')).toBe(
      '/sbin/docker-init -- /bin/busybox cat',
    );
    expect(await said(guest, 'ls /proc/1/root/files 2>&1 || true')).toContain('No such file');
    expect(await said(guest, 'cat /proc/self/cgroup')).toBe('0::/');
  });

  test('hides and protects paths', async () => {
    expect(await said(guest, 'cat /proc/kcore | wc -c; ls /sys/firmware | wc -l')).toBe('0\n0');
    const { stderr } = await guest.run(['/bin/sh', '-c', 'echo 0 > /proc/sys/net/ipv4/ip_forward']);
    expect(stderr).toContain('Read-only file system');
    expect(await said(guest, 'cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmax')).toBe(
      '1\n12345678',
    );
  });

  test("shows files over the image's, and their new content when the host puts it", async () => {
    expect(await said(guest, 'cat /etc/hosts /run/new/file')).toBe('127.0.0.1 localhost\nmade');
    await guest.ask(guestMessage.putFile, file('/etc/hosts', '10.0.0.1 other\n'));
    expect(await said(guest, 'cat /etc/hosts')).toBe('10.0.0.1 other');
    await expect(guest.ask(guestMessage.putFile, file('/etc/passwd', ''))).rejects.toThrow(
      "not-found: /etc/passwd is no file of the machine's set-up",
    );
  });

  test('asks the host about names, by UDP and TCP, and says when nobody answers', async () => {
    guest.onEvent((frame) => {
      const isQuestion = frame.type === guestMessage.dnsQuery || frame.type === guestMessage.dnsQueryTcp;
      if (isQuestion) guest.send(guestMessage.dnsAnswer, frame.id, addressAnswer(frame.payload));
    });
    expect(await said(guest, 'nslookup -type=a db')).toMatch(
      /Server:\s+127.0.0.11\nAddress:\s+127.0.0.11:53\n[\s\S]*10\.1\.2\.3/,
    );
    const { stdout, code } = await guest.run(['/bin/sh', '-c', 'nslookup -type=a nobody']);
    expect({ stdout, code }).toEqual({ stdout: expect.stringContaining('SERVFAIL'), code: 1 });
    const byTcp = await guest.start(['/bin/busybox', 'nc', '127.0.0.11', '53'], waiting);
    byTcp.write(Buffer.from('0014abcd01000001000000000000026462000001000100', 'hex').subarray(0, 22));
    await byTcp.sees('\x0a\x01\x02\x03');
    byTcp.signal(9);
  });

  test('leaves every port 53 to its processes', async () => {
    const program = await guest.start([
      '/bin/sh',
      '-c',
      'nc -l -p 53 & sleep 0.2; echo hello | nc 127.0.0.1 53; wait',
    ]);
    expect(await program.finished).toMatchObject({ stdout: 'hello\n', stderr: '', code: 0 });
  });

  test('a full disk is the problem of who fills it', async () => {
    const { code, stderr } = await guest.run([
      '/bin/busybox',
      'dd',
      'if=/dev/zero',
      'of=/big',
      'bs=1M',
      'count=200',
    ]);
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('No space left on device') });
    expect(await said(guest, 'rm /big; echo small > /big; cat /big')).toBe('small');
  });

  test('serves files as the processes see them, without their mounts, and as they were written', async () => {
    await said(guest, 'echo changed > /written-file');
    expect(await readBy(guest, guestWorker.root, '/written-file')).toBe('changed\n');
    expect(await readBy(guest, guestWorker.root, '/shared/greeting')).toBe('changed');
    expect(await readBy(guest, guestWorker.root, '/dev/shm/../../from-below')).toBe('below');
    expect(await readBy(guest, guestWorker.rootAlone, '/from-below')).toBe('below');
    await expect(readBy(guest, guestWorker.rootAlone, '/shared/greeting')).rejects.toThrow('No such file');
    expect(await readBy(guest, guestWorker.changes, '/written-file')).toBe('changed\n');
    await expect(readBy(guest, guestWorker.changes, '/from-below')).rejects.toThrow('No such file');
  });

  test('connects to a port of a process, and says why it cannot', async () => {
    const server = await guest.start(['/bin/sh', '-c', 'nc -l -p 7000 -e cat']);
    await said(guest, 'until grep -q ":1B58 .* 0A " /proc/net/tcp6 /proc/net/tcp; do :; done');
    const worker = await guest.start(['7000', '127.0.0.1'], (process) =>
      process.number(processTag.worker, guestWorker.connect).number(processTag.stdin, 1),
    );
    worker.write('there and back');
    await worker.sees('there and back');
    worker.closeInput();
    expect(await worker.finished).toMatchObject({ code: 0 });
    await server.finished;
    const refused = guest.start(['7001', '127.0.0.1'], (process) =>
      process.number(processTag.worker, guestWorker.connect).number(processTag.stdin, 1),
    );
    await expect(refused).rejects.toThrow('connect to 127.0.0.1 port 7001: Connection refused');
  });

  test('answers whether it is ready', async () => {
    const version = numberOf(decodeFields(await guest.ask(guestMessage.ping)), guestTag.version);
    expect(version).toBe(1);
  });

  test('refuses what makes no sense, by name', async () => {
    await expect(guest.ask(guestMessage.setup, Buffer.alloc(0))).rejects.toThrow(
      'conflict: the machine is set up already',
    );
    await expect(guest.ask(guestMessage.putFile, Buffer.from([1]))).rejects.toThrow(
      'invalid: the payload ends inside a field',
    );
    await expect(guest.ask(0x7f)).rejects.toThrow('not-implemented: the request 127 is unknown');
    await expect(guest.ask(guestMessage.start, Buffer.alloc(0))).rejects.toThrow(
      'invalid: the process has no command',
    );
  });
});

test('a guest with a read-only root is still given its files and mounts, and is switched off', async () => {
  await using guest = await bootGuest();
  await guest.setUp((setup) =>
    setup
      .number(setupTag.readOnlyRoot, 1)
      .bytes(setupTag.file, file('/etc/resolv.conf', 'nameserver 127.0.0.11\n'))
      .bytes(
        setupTag.mount,
        fields((mount) => mount.text(mountTag.type, 'tmpfs').text(mountTag.destination, '/made/here')),
      ),
  );
  const line = 'touch /made/here/x; cat /etc/resolv.conf; touch /x; exit 4';
  const { stdout, stderr, code } = await guest.run(['/bin/sh', '-c', line], (process) =>
    process.text(processTag.directory, '/work/here'),
  );
  expect({ stdout, stderr, code }).toEqual({
    stdout: 'nameserver 127.0.0.11\n',
    stderr: 'touch: /x: Read-only file system\n',
    code: 4,
  });
  await expect(guest.start(['/bin/sh'])).rejects.toThrow("conflict: the machine's process does not run");
  await guest.ask(guestMessage.powerOff);
  await guest.ended;
});
