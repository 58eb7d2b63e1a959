/** A JSON text in a value: `JSON.stringify` writes it unchanged. Holds integers that JavaScript's numbers cannot. */
export interface RawJson {
  readonly rawJSON: string;
}

/** `JSON.rawJSON` (ES2026), which TypeScript's library does not declare yet. */
export function rawJson(text: string): RawJson {
  const json: JSON & { rawJSON?: (text: string) => RawJson } = JSON;
  if (json.rawJSON === undefined) throw new TypeError('this Node has no JSON.rawJSON');
  return json.rawJSON(text);
}
