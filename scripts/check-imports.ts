// Fails, naming file and line, when an import below src/ points against the direction that docs/ARCHITECTURE.md draws.
import { globSync, readFileSync } from 'node:fs';
import { importViolations } from './import-direction.ts';

const violations = globSync('src/**/*.ts').flatMap((path) =>
  importViolations(path, readFileSync(path, 'utf8')).map((one) => `${path}:${one.line}: ${one.reason}`),
);
for (const violation of violations) console.error(violation);
process.exitCode = violations.length === 0 ? 0 : 1;
