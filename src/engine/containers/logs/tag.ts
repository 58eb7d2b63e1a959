import { invalid } from '../../../base/index.ts';

/** What a tag template may name (moby: daemon/logger/loginfo.go). */
export interface TagValues {
  readonly ID: string;
  readonly FullID: string;
  readonly Name: string;
  readonly ImageID: string;
  readonly ImageFullID: string;
  readonly ImageName: string;
  readonly DaemonName: string;
}

/** Puts values in the place of "{{.Name}}" and the like. Throws `invalid`, naming what no container has. */
export function expandTag(template: string, values: TagValues): string {
  return template.replace(/{{(.*?)}}/g, (_, action: string) => {
    const name = /^\s*\.(\w+)\s*$/.exec(action)?.[1];
    const value = Object.entries(values).find(([key]) => key === name)?.[1];
    if (value !== undefined) return value;
    throw invalid(`the log tag "${template}" names "${action.trim()}", which is not known`, {
      hint: `Known are ${Object.keys(values)
        .map((key) => `{{.${key}}}`)
        .join(', ')}`,
    });
  });
}
