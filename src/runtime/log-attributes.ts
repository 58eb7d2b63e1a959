/** What each message of a log has of the container's labels and variables, in the format of its files. */
export function encodeLogAttributes(
  format: 'json-file' | 'local',
  attributes: Readonly<Record<string, string>>,
): Buffer {
  const sorted = Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1));
  if (format === 'json-file') return Buffer.from(goJson(Object.fromEntries(sorted)));
  return Buffer.concat(sorted.map(([name, value]) => protobufEntry(name, value)));
}

/** As Go writes it, which escapes what is dangerous in HTML. */
function goJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** One entry of a map in the field 6 (moby: api/types/plugins/logdriver/entry.proto): key and value. */
function protobufEntry(name: string, value: string): Buffer {
  return text(6, Buffer.concat([text(1, Buffer.from(name)), text(2, Buffer.from(value))]));
}

function text(field: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.from([(field << 3) | 2, ...varint(content.length)]), content]);
}

function varint(number: number): number[] {
  const bytes = [];
  let rest = number;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  return [...bytes, rest];
}
