// bundle.ts OUT-FOLDER ENTRY...: bundles entries of src/ for the pinned Node. What they import dynamically becomes files
// of its own below chunks/, so that a command loads only what it uses.
import { type OutputOptions, type Plugin, rolldown } from 'rolldown';

const [outdir = '', ...entryPoints] = process.argv.slice(2);

/** A stand-in for one of Node's own modules, by the module's name behind this. */
const LATE = '\0late:';

/**
 * Node's own modules, each loaded when something of it is first used: crypto, http and child_process alone take a command
 * 10 ms, and an `import` of node:http reads all of its properties, which loads a WebSocket client, 20 ms more. What is
 * imported of a stand-in is looked up in its prototype, so that no list of names has to be made at each start.
 */
const lateBuiltIns: Plugin = {
  name: 'late-built-ins',
  resolveId: {
    filter: { id: /^node:/ },
    handler: async (id, _importer, { kind }) =>
      (await isLate(id, kind)) ? { id: `${LATE}${id}`, moduleSideEffects: false } : { id, external: true },
  },
  load: {
    filter: { id: /^\0late:/ },
    handler: (id) => `
      let loaded;
      const load = () => loaded ??= process.getBuiltinModule(${JSON.stringify(id.slice(LATE.length))});
      module.exports = Object.create(new Proxy({}, { get: (_, name) => load()[name] }));`,
  },
};

/** What a package in CommonJS requires may be a function; what is imported when it is needed is late as it is. */
async function isLate(id: string, kind: string): Promise<boolean> {
  if (id === 'node:module') return false; // the bundler's own code has it before anything else
  if (kind === 'import-statement') return true;
  return kind === 'require-call' && typeof (await import(id)).default === 'object';
}

/**
 * A file costs a start half a millisecond, whatever is in it. So what every command has is one file, and what many have
 * is another.
 */
const fewFiles: OutputOptions['codeSplitting'] = {
  groups: [
    { name: 'all', tags: ['$initial'], test: (id) => !id.endsWith('/src/cli/main.ts') },
    { name: 'many', test: /\/src\/(base|cli)\//, minShareCount: 5 },
  ],
};

/** Packages in CommonJS look for their files by this, which a module does not have. */
const commonJs = 'const __dirname = import.meta.dirname, __filename = import.meta.filename;';

const [commands, programs] = [
  entryPoints.filter(isCommand),
  entryPoints.filter((entry) => !isCommand(entry)),
];
await bundle(commands, [lateBuiltIns], { codeSplitting: fewFiles });
// The stand-ins cost a daemon memory and save it nothing: sooner or later it uses everything.
await bundle(programs, [], { postBanner: commonJs });

function isCommand(entry: string): boolean {
  return entry.startsWith('src/cli/');
}

async function bundle(entries: string[], plugins: Plugin[], output: OutputOptions): Promise<void> {
  if (entries.length === 0) return;
  await using bundled = await rolldown({
    input: Object.fromEntries(entries.map((entry) => [entry.replace(/^src\/|\.ts$/g, ''), entry])),
    plugins,
    platform: 'node',
    transform: { target: 'node26' },
    // Of src/ nothing happens by being imported, so what is only exported again stays out.
    treeshake: { moduleSideEffects: [{ test: /\/src\//, sideEffects: false }] },
    preserveEntrySignatures: 'allow-extension',
  });
  await bundled.write({
    dir: outdir,
    minify: { compress: true, mangle: false },
    entryFileNames: '[name].js',
    chunkFileNames: 'chunks/[name]-[hash].js',
    ...output,
  });
}
