import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { run, runChecked } from '../src/base/index.ts';

/** Seconds of each measurement. */
const SECONDS = 3;

/** A process that runs in the network namespace of another: the same programs serve in every engine's containers. */
export interface Service extends AsyncDisposable {
  readonly port: number;
}

/** Takes what iperf3 sends. */
export function receiveTraffic(pid: string, port: number): Promise<Service> {
  return serve(pid, port, ['iperf3', '-s', '-p', String(port), '--forceflush']);
}

/** Answers HTTP with a small page. */
export function servePages(pid: string, port: number): Promise<Service> {
  return serve(pid, port, [process.execPath, join(import.meta.dirname, 'page-server.ts'), String(port)]);
}

/** GBit/s from the host, or from the network namespace of a process. */
export async function bandwidth(from: string | 'host', address: string, port: number): Promise<number> {
  const iperf = ['iperf3', '-J', '-t', String(SECONDS), '-c', address, '-p', String(port)];
  const [file = '', ...args] = from === 'host' ? iperf : inside(from, iperf);
  const { stdout } = await runChecked(file, args);
  const report = JSON.parse(stdout.toString()) as { end: { sum_received: { bits_per_second: number } } };
  return report.end.sum_received.bits_per_second / 1e9;
}

/** Requests a second, 32 connections at a time, from the host. */
export async function pageRate(address: string, port: number): Promise<number> {
  const args = ['-t1', '-c32', `-d${SECONDS}s`, `http://${address}:${port}/`];
  const { code, stdout, stderr } = await run('wrk', args);
  const text = stdout.toString();
  const rate = /^Requests\/sec:\s+([\d.]+)/m.exec(text)?.[1];
  if (code !== 0 || rate === undefined || /Socket errors/.test(text))
    throw new Error(`wrk: ${text}${stderr}`);
  return Number(rate);
}

const inside = (pid: string, command: readonly string[]) => [
  'nsenter',
  `--net=/proc/${pid}/ns/net`,
  ...command,
];

async function serve(pid: string, port: number, command: readonly string[]): Promise<Service> {
  const [file = '', ...args] = inside(pid, command);
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
    said += String(chunk);
    if (/listening/i.test(said)) break;
  }
  child.stdout.resume();
  if (!/listening/i.test(said)) throw new Error(`${command.join(' ')} ended: ${said}`);
  return { port, [Symbol.asyncDispose]: () => end(child) };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}
