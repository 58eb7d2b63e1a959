import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseReference } from '../base/index.ts';
import { NO_LIMITS } from './no-limits.ts';
import { type BuildOptions, missingForBuilds, TestBuilder } from './testing/test-builder.ts';

const missing = missingForBuilds();

describe.skipIf(missing !== undefined)(`a build (${missing ?? 'root, crun and busybox'} needed)`, () => {
  let berth: TestBuilder;
  beforeAll(async () => {
    berth = await TestBuilder.create();
  });
  afterAll(() => berth[Symbol.asyncDispose]());

  const refusal = (dockerfile: string, options: BuildOptions = {}) =>
    berth.build(dockerfile, options).then(
      () => expect.fail('it was built'),
      (error: unknown) => error,
    );
  const files = { 'app.txt': 'hello' };

  test('tells its steps, the output of commands and the result, and names the image', async () => {
    const { image, output } = await berth.build(
      'FROM busybox\n\n# a comment — in UTF-8\nEXPOSE 8000\nWORKDIR /app\nCOPY app.txt /app\nRUN cat app.txt\nCMD cat app.txt\n',
      { files, tags: [parseReference('my-app'), parseReference('other:2')] },
    );
    const lines = output.split('\n');
    expect(lines.filter((line) => line.startsWith('Step'))).toEqual([
      'Step 1/6 : FROM busybox',
      'Step 2/6 : EXPOSE 8000',
      'Step 3/6 : WORKDIR /app',
      'Step 4/6 : COPY app.txt /app',
      'Step 5/6 : RUN cat app.txt',
      'Step 6/6 : CMD cat app.txt',
    ]);
    expect(output).toContain('hello');
    expect(lines.slice(-4, -1)).toEqual([
      `Successfully built ${image.id.slice(7, 19)}`,
      'Successfully tagged my-app:latest',
      'Successfully tagged other:2',
    ]);
    expect(await berth.store.images.byName('docker.io/library/other:2')).toMatchObject({ id: image.id });
  });

  test('writes config and history as Docker does', async () => {
    const { image } = await berth.build(
      'FROM busybox\nARG V=1\nENV A=b C="d $V"\nLABEL x=y\nUSER 3\nVOLUME /data /more\nVOLUME ["/list"]\nSTOPSIGNAL SIGINT\n' +
        'HEALTHCHECK --interval=5s --retries=2 CMD true\nSHELL ["/bin/sh", "-ec"]\nENTRYPOINT run me\nCMD ["a", "b"]\n' +
        'EXPOSE 80 53/udp 90-91\nMAINTAINER somebody\nRUN id -u\nONBUILD RUN echo trigger\n',
      { labels: { given: 'by request' } },
    );
    expect(image.config).toMatchObject({ architecture: expect.any(String), os: 'linux', author: 'somebody' });
    expect(image.config.config).toEqual({
      Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'A=b', 'C=d 1'],
      Labels: { x: 'y', given: 'by request' },
      User: '3',
      Volumes: { '/data': {}, '/more': {}, '/list': {} },
      StopSignal: 'SIGINT',
      Healthcheck: { Test: ['CMD-SHELL', 'true'], Interval: 5e9, Retries: 2 },
      Shell: ['/bin/sh', '-ec'],
      Entrypoint: ['/bin/sh', '-ec', 'run me'],
      Cmd: ['a', 'b'],
      ExposedPorts: { '80/tcp': {}, '53/udp': {}, '90/tcp': {}, '91/tcp': {} },
      WorkingDir: '/',
      OnBuild: ['RUN echo trigger'],
    });
    const history = image.config.history ?? [];
    expect(history.slice(2).map((entry) => entry.created_by)).toEqual([
      'ARG V=1',
      'ENV A=b C=d 1',
      'LABEL x=y',
      'USER 3',
      'VOLUME [/data /more]',
      'VOLUME [/list]',
      'STOPSIGNAL SIGINT',
      'HEALTHCHECK --interval=5s --retries=2 CMD true',
      'SHELL [/bin/sh -ec]',
      'ENTRYPOINT ["/bin/sh" "-ec" "run me"]',
      'CMD ["a" "b"]',
      'EXPOSE [80/tcp 53/udp 90/tcp 91/tcp]',
      'MAINTAINER somebody',
      'RUN |1 V=1 /bin/sh -ec id -u # buildkit',
      'ONBUILD RUN echo trigger',
    ]);
    const withLayer = history.filter((entry) => entry.empty_layer !== true);
    expect(withLayer).toHaveLength(image.layers.length);
  });

  test('that nothing has changed for is the same image, without a step run', async () => {
    const dockerfile = 'FROM busybox\nWORKDIR /w\nCOPY app.txt .\nRUN echo once >made\nCMD x\n';
    const first = await berth.build(dockerfile, { files, tags: [parseReference('cached')] });
    berth.steps.length = 0;
    const second = await berth.build(dockerfile, { files, tags: [parseReference('cached')] });
    expect(second.image.id).toBe(first.image.id);
    expect(second.output.match(/---> Using cache/g)).toHaveLength(4);
    expect(berth.steps).toEqual([]);
    const changed = await berth.build(dockerfile, { files: { 'app.txt': 'changed' } });
    expect(changed.image.id).not.toBe(first.image.id);
    expect(changed.output.match(/---> Using cache/g)).toHaveLength(1);
    const anew = await berth.build(dockerfile, { files, noCache: true });
    expect(anew.output).not.toContain('Using cache');
    expect(anew.image.id).not.toBe(first.image.id);
  });

  test('of another base, mode, owner or build argument runs its steps again', async () => {
    const variants = [
      ['FROM busybox\nARG A\nCOPY app.txt /\nRUN echo variant\n', {}],
      ['FROM busybox\nARG A\nCOPY app.txt /\nRUN echo variant\n', { buildArgs: { A: '2' } }],
      ['FROM busybox\nARG A\nCOPY --chown=1 app.txt /\nRUN echo variant\n', {}],
      ['FROM busybox\nENV B=1\nARG A\nCOPY app.txt /\nRUN echo variant\n', {}],
    ] as const;
    berth.steps.length = 0;
    for (const [dockerfile, options] of variants) await berth.build(dockerfile, { files, ...options });
    await berth.build(variants[0][0], { files: { 'app.txt': { content: 'hello', mode: 0o755 } } });
    expect(berth.steps).toHaveLength(variants.length + 1);
  });

  test('sees ARGs by their scope: before FROM, in a stage and those that build on it; ENV wins', async () => {
    const { image } = await berth.build(
      'ARG BASE=missing\nARG TOP=top\nFROM $BASE AS one\nARG TOP\nARG OWN=own\nARG HIDDEN=arg\nENV HIDDEN=env\nARG TARGETARCH\n' +
        'RUN echo "$TOP $OWN $HIDDEN $BASE. $TARGETARCH $http_proxy" >/one\nFROM one\nRUN echo "$OWN" >/two\n',
      { buildArgs: { BASE: 'busybox', http_proxy: 'http://proxy' } },
    );
    const { architecture } = image.config;
    expect(await berth.read(image, '/one')).toBe(`top own env . ${architecture} http://proxy\n`);
    expect(await berth.read(image, '/two')).toBe('own\n');
  });

  test('warns of build arguments that no ARG declares', async () => {
    const { output } = await berth.build('FROM busybox\nARG USED\n', { buildArgs: { USED: '1', TYPO: '2' } });
    expect(output).toContain('[Warning] One or more build-args [TYPO] were not consumed\n');
  });

  test('builds the stages that its target needs, and no other', async () => {
    const dockerfile =
      'FROM busybox AS unused\nRUN false\nFROM busybox AS left\nRUN echo l >/l\nFROM busybox AS right\nRUN echo r >/r\n' +
      'FROM left AS both\nCOPY --from=right /r /\nFROM scratch\nCOPY --from=unused /x /\n';
    const { image, output } = await berth.build(dockerfile, { target: 'both' });
    expect(await berth.read(image, '/l')).toBe('l\n');
    expect(await berth.read(image, '/r')).toBe('r\n');
    expect([...output.matchAll(/Step (\d+)\/6 : (\w+)/g)].map(([, step, name]) => `${step} ${name}`)).toEqual(
      ['1 FROM', '2 RUN', '3 FROM', '4 RUN', '5 FROM', '6 COPY'],
    );
    expect(await refusal(dockerfile, { target: 'none' })).toMatchObject({
      message: 'target stage "none" could not be found',
      hint: 'Stages: unused, left, right, both',
    });
  });

  test('runs independent stages at the same time', async () => {
    const now = 'cut -d" " -f1 /proc/uptime | tr -d .';
    const timed = `RUN ${now} >/start; sleep 0.5; ${now} >/end`;
    const { output } = await berth.build(
      `FROM busybox AS a\n${timed}\nFROM busybox AS b\n${timed} # b\nFROM busybox\n` +
        'COPY --from=a /start /a1\nCOPY --from=a /end /a2\nCOPY --from=b /start /b1\nCOPY --from=b /end /b2\n' +
        'RUN test $(cat /a1) -lt $(cat /b2) && test $(cat /b1) -lt $(cat /a2) && echo overlapped\n',
    );
    expect(output).toContain('\noverlapped\n');
  });

  test('runs the ONBUILD triggers of its base, and leaves none', async () => {
    await berth.build('FROM busybox\nONBUILD COPY app.txt /from-trigger\nONBUILD RUN echo ran >/ran\n', {
      tags: [parseReference('with-triggers')],
    });
    const { image, output } = await berth.build('FROM with-triggers\nLABEL a=b\n', { files });
    expect(output).toContain('# Executing 2 build triggers\n');
    expect(await berth.read(image, '/from-trigger')).toBe('hello');
    expect(await berth.read(image, '/ran')).toBe('ran\n');
    expect(image.config.config?.OnBuild).toBeUndefined();
  });

  test('drops the CMD of its base when it sets ENTRYPOINT, not its own', async () => {
    await berth.build('FROM busybox\nCMD ["base"]\n', { tags: [parseReference('with-cmd')] });
    const cmdAfter = async (lines: string) =>
      (await berth.build(`FROM with-cmd\n${lines}\n`)).image.config.config?.Cmd ?? null;
    expect(await cmdAfter('ENTRYPOINT ["e"]')).toBeNull();
    expect(await cmdAfter('CMD ["own"]\nENTRYPOINT ["e"]')).toEqual(['own']);
  });

  test('leaves no mount points of its steps in layers', async () => {
    const { image } = await berth.build('FROM scratch\nCOPY --from=busybox /bin /bin\nRUN echo 1 >/made\n');
    expect(await berth.namesIn(image, -1)).toEqual(['made']);
  });

  test('whose command fails says which, with its line, code and output, and keeps what came before', async () => {
    const dockerfile = 'FROM busybox\nRUN echo kept >/kept\n\nRUN echo to stderr >&2 && \\\n  exit 7\n';
    let output = '';
    const onEvent: BuildOptions['onEvent'] = (event) => {
      if (event.kind === 'output') output += event.text;
    };
    expect(await refusal(dockerfile, { onEvent })).toMatchObject({
      kind: 'invalid',
      message:
        "The command '/bin/sh -c echo to stderr >&2 &&   exit 7' returned a non-zero code: 7 " +
        '(Dockerfile:4: RUN echo to stderr >&2 &&   exit 7)',
      cause: { exitCode: 7 },
    });
    expect(output).toContain('to stderr\n');
    expect(await berth.leftovers()).toEqual([]);
    berth.steps.length = 0;
    await refusal(dockerfile);
    expect(berth.steps).toHaveLength(1);
  });

  test('that is cancelled stops its step and leaves nothing behind', async () => {
    const stop = new AbortController();
    const building = refusal('FROM busybox\nRUN echo started && sleep 1000\n', {
      signal: stop.signal,
      onEvent: (event) => {
        if (event.kind === 'output' && event.text === 'started\n') stop.abort();
      },
    });
    expect(await building).toMatchObject({ kind: 'cancelled' });
    expect(await berth.leftovers()).toEqual([]);
  });

  test('one stage that fails stops the others', async () => {
    const error = await refusal(
      'FROM busybox AS slow\nRUN sleep 1000\nFROM busybox\nRUN exit 4\nCOPY --from=slow / /\n',
    );
    expect(error).toMatchObject({ cause: { exitCode: 4 } });
    expect(await berth.leftovers()).toEqual([]);
  });

  test('keeps layers only while the cache or an image needs them', async () => {
    await refusal('FROM busybox\nRUN echo pruned >/pruned\nRUN exit 1\n');
    const before = await berth.store.images.list();
    expect((await berth.builder.prune({ all: false })).reclaimed).toBeGreaterThan(0);
    expect(await berth.store.images.list()).toHaveLength(before.length);
    berth.steps.length = 0;
    await refusal('FROM busybox\nRUN echo pruned >/pruned\nRUN exit 1\n');
    expect(berth.steps).toHaveLength(2);
  });

  test.each([
    ['FROM no-such-image\n', 'No such image: docker.io/library/no-such-image:latest'],
    ['FROM Upper/Case\n', 'must be lowercase'],
    ['ARG X\nFROM $X\n', 'base name ($X) should not be blank'],
    ['FROM --platform=plan9/mips busybox\n', 'building for another platform (plan9/mips) is not there yet'],
    ['FROM busybox\nEXPOSE http\n', 'Dockerfile:2: invalid containerPort: http'],
    ['FROM busybox\nENV A=${B\n', 'Dockerfile:2: syntax error: missing "}"'],
    ['FROM busybox\nRUN ["/no/such/program"]\n', 'Dockerfile:2: '],
  ])('of %j is refused: %s', async (dockerfile, message) => {
    expect(await refusal(dockerfile)).toMatchObject({ message: expect.stringContaining(message) });
    expect(await berth.leftovers()).toEqual([]);
  });

  test('without its Dockerfile, or from what is no tar, is refused', async () => {
    expect(await refusal('FROM busybox', { dockerfile: 'sub/Other' })).toMatchObject({
      kind: 'invalid',
      message: 'Cannot locate specified Dockerfile: sub/Other',
    });
    const building = berth.builder.build(
      {
        context: Readable.from([Buffer.alloc(1024, 'no tar')]),
        dockerfile: 'Dockerfile',
        tags: [],
        buildArgs: {},
        labels: {},
        target: undefined,
        noCache: false,
        pull: false,
        isolation: 'container',
        limits: NO_LIMITS,
        network: 'default',
        platform: { os: 'linux', architecture: 'amd64' },
      },
      () => {},
      new AbortController().signal,
    );
    await expect(building).rejects.toMatchObject({
      kind: 'invalid',
      message: expect.stringContaining('the build context is no readable tar'),
    });
    expect(await berth.leftovers()).toEqual([]);
  });

  test('takes the Dockerfile from anywhere in the context, and hides it where .dockerignore excludes it', async () => {
    const { image } = await berth.build('FROM unused\n', {
      dockerfile: 'docker/Prod',
      files: {
        'docker/Prod': 'FROM busybox\nCOPY . /c\n',
        '.dockerignore': 'docker\n.dockerignore\n',
        ...files,
      },
    });
    expect(await berth.namesIn(image, -1)).toEqual(['c', 'c/Dockerfile', 'c/app.txt', 'c/docker']);
  });
});
