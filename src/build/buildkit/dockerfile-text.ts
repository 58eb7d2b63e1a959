import { lastLineOf } from '../dockerfile/source-lines.ts';

/** A Dockerfile as its client wrote it, for errors that show its lines. */
export class DockerfileText {
  readonly file: string;
  readonly content: string;

  constructor(file: string, content: string) {
    this.file = file;
    this.content = content;
  }

  /** The line on which the instruction ends that begins on this one; both count from 1. */
  readonly lastLine = (line: number): number => lastLineOf(this.content, line);
}
