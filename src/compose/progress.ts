/** What happens to one thing: a container, a network, an image. */
export interface ProgressEvent {
  /** For example "Container p-web-1". */
  readonly subject: string;
  readonly state: 'working' | 'done' | 'warning' | 'failed';
  /** For example "Creating", "Created". */
  readonly text: string;
  readonly detail?: string;
}

/** Shows people what is being done. */
export interface Progress {
  report(event: ProgressEvent): void;
  /** Shows text of its own, whole lines, without disturbing what is shown of the events. */
  write(text: string): void;
  /** A block of events ends here; the next begins anew, under this title ("up", "down"). */
  begin(title: string): void;
  end(): void;
}

/** Where progress is shown, and how. */
export type ProgressMode = 'tty' | 'plain' | 'quiet';

/** Shows nothing. */
export function quietProgress(): Progress {
  return { report: () => {}, write: () => {}, begin: () => {}, end: () => {} };
}

/** A line per event, as Docker Compose writes where there is no terminal. */
export function plainProgress(out: NodeJS.WritableStream): Progress {
  return {
    report: ({ subject, text, detail = '' }) => {
      out.write(` ${subject} ${text} ${detail}\n`);
    },
    write: (text) => {
      out.write(text);
    },
    begin: () => {},
    end: () => {},
  };
}
