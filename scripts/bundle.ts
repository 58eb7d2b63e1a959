// bundle.ts OUT-FOLDER ENTRY...: bundles entries of src/ for the pinned Node. What they import dynamically, and what several
// share, becomes files of its own below chunks/, so that a command loads only what it uses.
import { build } from 'esbuild';

const [outdir = '', ...entryPoints] = process.argv.slice(2);

/** Packages in CommonJS ask for these, which a module does not have. */
const commonJs = [
  "import { createRequire as berthRequire } from 'node:module';",
  'const require = berthRequire(import.meta.url);',
  'const __dirname = import.meta.dirname, __filename = import.meta.filename;',
];

try {
  await build({
    entryPoints,
    outdir,
    outbase: 'src',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node26',
    minifyWhitespace: true,
    minifySyntax: true,
    chunkNames: 'chunks/[name]-[hash]',
    banner: { js: commonJs.join('\n') },
    logLevel: 'warning',
  });
} catch {
  process.exitCode = 1; // esbuild has said why
}
