import { contextTar } from '../context.ts';
import type { Script, Step } from '../script.ts';

const build = (
  name: string,
  dockerfile: string,
  query = '',
  files: Readonly<Record<string, string>> = {},
): Step => ({
  name,
  request: `POST /build?rm=1${query}`,
  body: () => contextTar({ Dockerfile: dockerfile, ...files }),
  lines: ['errorDetail', 'message'],
});

/** The classic builder: what an image comes to, and in which words a build fails. */
export const builds: Script = {
  name: 'build',
  steps: [
    build(
      'build',
      'FROM busybox:latest AS first\nARG A=1\nENV B=$A C="two words"\nLABEL l=$B\nEXPOSE 80 53/udp\nWORKDIR /w\nCOPY file .\nRUN cat file > copied\nUSER 1000\nVOLUME /v\nSTOPSIGNAL SIGINT\nCMD ["sh"]\n',
      '&t=compat-built:1',
      { file: 'content' },
    ),
    { name: 'inspect', request: 'GET /images/compat-built:1/json' },
    { name: 'remove', request: 'DELETE /images/compat-built:1', lines: ['Untagged'] },
    build('shell form', 'FROM busybox:latest\nENTRYPOINT echo hi\nCMD there\n', '&t=compat-built:2'),
    { name: 'inspect shell form', request: 'GET /images/compat-built:2/json' },
    { name: 'remove shell form', request: 'DELETE /images/compat-built:2', lines: ['Untagged'] },
    build('failing run', 'FROM busybox:latest\nRUN exit 4\n'),
    build('unknown instruction', 'FROM busybox:latest\nRUNN x\n'),
    build('missing file', 'FROM busybox:latest\nCOPY absent /x\n'),
    build('file outside', 'FROM busybox:latest\nCOPY ../x /x\n'),
    build('no from', 'RUN x\n'),
    build('empty', '# nothing\n'),
    build('unknown target', 'FROM busybox:latest\n', '&target=absent'),
    build('missing dockerfile', 'FROM busybox:latest\n', '&dockerfile=absent'),
  ],
};
