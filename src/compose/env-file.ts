/** Parses a .env file: NAME=value lines, comments, `export`, quotes; single quotes keep a value as it is. */
export function parseEnvFile(text: string): Map<string, string> {
  const variables = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const [, name, raw = ''] = /^\s*(?:export\s+)?([A-Za-z_][\w.-]*)\s*[=:]\s*(.*)$/.exec(line) ?? [];
    if (name !== undefined) variables.set(name, parseValue(raw.trim()));
  }
  return variables;
}

function parseValue(raw: string): string {
  const single = /^'([^']*)'/.exec(raw)?.[1];
  if (single !== undefined) return single;
  const double = /^"((?:\\.|[^"\\])*)"/.exec(raw)?.[1];
  if (double !== undefined) {
    return double.replace(
      /\\(.)/g,
      (_, character: string) => ({ n: '\n', r: '\r', t: '\t' })[character] ?? character,
    );
  }
  return raw.replace(/\s+#.*$/, '');
}
