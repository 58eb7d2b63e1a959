import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Instance, startInstance } from '../engine/instance.ts';
import { Terminal } from '../engine/terminal.ts';
import { findDocker } from './find-docker.ts';

const docker = findDocker();
const clients: readonly (readonly [name: string, program: string])[] = [
  ['berth', `${import.meta.dirname}/../../bin/berth`],
  ...(docker === undefined ? [] : [['the docker CLI', docker] as const]),
];

const CTRL_P_CTRL_Q = '\x10\x11';

describe.each(clients)('on a terminal, %s', (_name, program) => {
  let instance: Instance;
  beforeAll(async () => {
    instance = await startInstance();
    await instance.berthOk(['pull', '-q', 'busybox:latest']);
  });
  afterAll(async () => instance[Symbol.asyncDispose]());

  const onTerminal = (...args: string[]) =>
    new Terminal([program, ...args], { ...process.env, DOCKER_HOST: `unix://${instance.socketPath}` });
  const state = (name: string) => instance.berthOk(['inspect', '-f', '{{.State.Status}}', name]);

  it('leaves a container by the detach keys, its own or others, and comes back', async () => {
    const run = onTerminal('run', '-it', '--detach-keys', 'ctrl-x,y', '--name', 'left', 'busybox', 'cat');
    // Raw, as the terminal of the container is: what was typed and cat's answer, nothing that another terminal added.
    run.type('typed\n');
    await run.shows('typed\r\ntyped\r\n');
    run.type(`${CTRL_P_CTRL_Q}\n`); // with other keys these are ordinary ones; ctrl-q starts output again
    await run.shows('^P\r\n');
    run.type('\x18y');
    expect((await run.end()).code).toBe(0);
    expect(await state('left')).toBe('running');

    const attach = onTerminal('attach', 'left');
    attach.type('again\n');
    await attach.shows('again\r\nagain\r\n');
    attach.type(CTRL_P_CTRL_Q);
    const { code, output } = await attach.end();
    expect(code).toBe(1);
    expect(output).toContain('read escape sequence');
    expect(output).not.toContain('\r\r\n');
    expect(await state('left')).toBe('running');
    await instance.berthOk(['rm', '-f', 'left']);
  });

  it('leaves a command by the detach keys, and a container that it has started', async () => {
    await instance.berthOk(['create', '-it', '--name', 'started', 'busybox', 'cat']);
    const start = onTerminal('start', '-ai', 'started');
    start.type('typed\n');
    await start.shows('typed\r\ntyped\r\n');
    start.type(CTRL_P_CTRL_Q);
    expect((await start.end()).code).toBe(0);
    const exec = onTerminal('exec', '-it', 'started', 'cat');
    exec.type('typed\n');
    await exec.shows('typed\r\ntyped\r\n');
    exec.type(CTRL_P_CTRL_Q);
    const { code, output } = await exec.end();
    expect(code).toBe(1);
    expect(output).toContain('read escape sequence');
    expect(await state('started')).toBe('running');
    await instance.berthOk(['rm', '-f', 'started']);
  });
});
