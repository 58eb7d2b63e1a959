// bundle.ts OUT-FOLDER ENTRY...: bundles entries of src/ for the pinned Node. What they import dynamically, and what several
// share, becomes files of its own below chunks/, so that a command loads only what it uses.
import { build, type ImportKind, type Plugin } from 'esbuild';

const [outdir = '', ...entryPoints] = process.argv.slice(2);

/** Packages in CommonJS ask for these, which a module does not have. */
const commonJs = [
  "import { createRequire as berthRequire } from 'node:module';",
  'const require = berthRequire(import.meta.url);',
  'const __dirname = import.meta.dirname, __filename = import.meta.filename;',
];

/**
 * Node's own modules, each loaded when something of it is first used: crypto, http and child_process alone take a command
 * 10 ms, and an `import` of node:http reads all of its properties, which loads a WebSocket client, 20 ms more.
 */
const lateBuiltIns: Plugin = {
  name: 'late-built-ins',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:/ }, async ({ path, kind }) => ({
      path,
      ...((await isLate(path, kind)) ? { namespace: 'built-in' } : { external: true }),
    }));
    onLoad({ filter: /./, namespace: 'built-in' }, async ({ path }) => {
      const names = Object.keys(await import(path)).filter((name) => name !== 'default');
      const getters = names.map((name) => `get ${name}() { return load().${name} }`);
      const contents = [
        'let loaded;',
        `const load = () => loaded ??= process.getBuiltinModule(${JSON.stringify(path)});`,
        `module.exports = { __esModule: true, get default() { return load() }, ${getters.join(', ')} };`,
      ];
      return { contents: contents.join('\n') };
    });
  },
};

/** What a package in CommonJS requires may be a function; what is imported when it is needed is late as it is. */
async function isLate(path: string, kind: ImportKind): Promise<boolean> {
  if (kind === 'import-statement') return true;
  return kind === 'require-call' && typeof (await import(path)).default === 'object';
}

const [commands, programs] = [
  entryPoints.filter(isCommand),
  entryPoints.filter((entry) => !isCommand(entry)),
];
try {
  // The getters cost a daemon memory and save it nothing: sooner or later it uses everything.
  await bundle(commands, [lateBuiltIns]);
  await bundle(programs, []);
} catch {
  process.exitCode = 1; // esbuild has said why
}

function isCommand(entry: string): boolean {
  return entry.startsWith('src/cli/');
}

async function bundle(entryPoints: string[], plugins: Plugin[]): Promise<void> {
  await build({
    entryPoints,
    plugins,
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
}
