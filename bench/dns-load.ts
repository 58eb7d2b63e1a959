// dns-load NAME COUNT: asks 127.0.0.11 for NAME, one question after the other and then 32 at a time; started in a container's network
// namespace. Prints JSON: the single questions' times in milliseconds, and the questions a second when 32 are under way.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';

const HEADER = Buffer.from([0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
const WINDOW = 32;
const [name = '', countText = '1000'] = process.argv.slice(2);
const count = Number(countText);

const labels = name.split('.').map((label) => Buffer.from([label.length, ...Buffer.from(label)]));
const query = Buffer.concat([HEADER, ...labels, Buffer.from([0, 0, 1, 0, 1])]);

const socket = createSocket('udp4');
socket.connect(53, '127.0.0.11');
await once(socket, 'connect');

let id = 0;
function ask(): void {
  id = (id + 1) % 65536;
  query.writeUInt16BE(id, 0);
  socket.send(Buffer.from(query));
}

function check(answer: Buffer): void {
  if (answer.readUInt16BE(6) === 0) throw new Error(`no address of ${name} came`);
}

/** Each question waits for the answer to the one before. */
async function single(): Promise<number[]> {
  const times: number[] = [];
  while (times.length < count) {
    const start = performance.now();
    ask();
    const [answer] = (await once(socket, 'message')) as [Buffer];
    times.push(performance.now() - start);
    check(answer);
  }
  return times;
}

/** Questions a second. */
function many(): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  const start = performance.now();
  let asked = 0;
  let answered = 0;
  socket.on('message', (answer) => {
    check(answer);
    answered += 1;
    if (answered === count) resolve(count / ((performance.now() - start) / 1000));
    else if (asked < count) {
      asked += 1;
      ask();
    }
  });
  for (; asked < Math.min(WINDOW, count); asked += 1) ask();
  return promise;
}

const times = await single();
console.log(JSON.stringify({ times, rate: await many() }));
socket.close();
