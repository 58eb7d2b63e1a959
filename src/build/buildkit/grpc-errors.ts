import { Code, ConnectError } from '@connectrpc/connect';
import { BerthError, type ErrorKind, errorMessage, isBerthError } from '../../base/index.ts';
import { commandOf, lineOf } from '../failures.ts';
import type { DockerfileText } from './dockerfile-text.ts';
import { SourceSchema } from './protocol/errdefs_pb.ts';

/** BuildKit's own build errors have no code, and its clients show every other code before the message. */
const CODES: Partial<Record<ErrorKind, Code>> = {
  'not-implemented': Code.Unimplemented,
  cancelled: Code.Canceled,
};

/** An error as BuildKit's clients take it: with the lines of the Dockerfile, where it is about some. */
export function grpcError(error: unknown, dockerfile?: DockerfileText): ConnectError {
  if (error instanceof ConnectError) return error;
  const code = isBerthError(error) ? (CODES[error.kind] ?? Code.Unknown) : Code.Internal;
  const line = lineOf(error);
  const details =
    dockerfile === undefined || line === undefined || line.file !== dockerfile.file
      ? []
      : [{ desc: SourceSchema, value: sourceDetail(dockerfile, line.line) }];
  return new ConnectError(buildErrorText(error), code, undefined, details);
}

/** In BuildKit's words where it has some. */
export function buildErrorText(error: unknown): string {
  const command = commandOf(error);
  if (command === undefined) return errorMessage(error);
  const text = `process "${command.args.join(' ')}" did not complete successfully: exit code: ${command.exitCode}`;
  const hint = isBerthError(error) ? error.hint : undefined;
  return hint === undefined ? text : `${text}. ${hint}`;
}

function sourceDetail({ file, content, lastLine }: DockerfileText, line: number) {
  const position = (number: number) => ({ line: number, character: 0 });
  return {
    info: { filename: file, data: Buffer.from(content), language: 'Dockerfile' },
    ranges: [{ start: position(line), end: position(lastLine(line)) }],
  };
}

/** What a client's session answered with, as an error of ours. */
export function fromGrpc(error: unknown, what: string): BerthError {
  if (isBerthError(error)) return error;
  const { code, rawMessage } = ConnectError.from(error);
  const kind: ErrorKind =
    code === Code.NotFound
      ? 'not-found'
      : code === Code.Canceled || code === Code.Aborted
        ? 'cancelled'
        : code === Code.Unimplemented
          ? 'not-implemented'
          : code === Code.Unavailable
            ? 'unavailable'
            : 'invalid';
  return new BerthError(kind, `${what}: ${rawMessage}`, { cause: error });
}
