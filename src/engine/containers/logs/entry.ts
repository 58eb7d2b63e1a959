/** One stored chunk of output: a line with its newline, or a part of a long one without. */
export interface LogEntry {
  readonly stream: 'stdout' | 'stderr';
  readonly text: Buffer;
  /** RFC 3339 in UTC with up to nine digits of a second and no zeros at their end. */
  readonly time: string;
  /** By the log options labels, env and tag. */
  readonly attributes: Readonly<Record<string, string>>;
}

/**
 * Finds the entries of a log file in its pieces. What a piece has of an entry that is not whole is kept for the next one;
 * the pieces given belong to the decoder, which may change them.
 */
export interface LogDecoder {
  push(piece: Buffer): LogEntry[];
}
