import { isBerthError, notFound } from '../../base/index.ts';
import {
  type ComposeRun,
  type DownProject,
  downProject,
  LogLines,
  loadProject,
  type Progress,
  type Project,
  plainProgress,
  quietProgress,
  type Selected,
  terminalProgress,
} from '../../compose/index.ts';
import type { Cli } from '../cli.ts';
import type { ComposeOptions } from './options.ts';

/** What every command of compose gets: the project, the engine, and where it shows what it does. */
export class ComposeContext {
  readonly cli: Cli;
  readonly options: ComposeOptions;
  readonly #warned = new Set<string>();

  constructor(cli: Cli, options: ComposeOptions) {
    this.cli = cli;
    this.options = options;
  }

  /** Loads the project and shows its warnings. `services` are wanted whatever their profiles. */
  project(services: readonly string[] = []): Project {
    const project = this.#load(services);
    for (const warning of project.warnings) this.warn(warning);
    return project;
  }

  /** The project of a command that needs no file when -p names it: then it is all that has its label. */
  namedProject(): DownProject {
    const { projectName, file } = this.options;
    const byName = projectName ?? this.cli.env.COMPOSE_PROJECT_NAME;
    try {
      const project = this.#load([]);
      for (const warning of project.warnings) this.warn(warning);
      return downProject(project);
    } catch (error) {
      if (byName === undefined || file.length > 0 || !isBerthError(error, 'not-found')) throw error;
      return { name: byName, services: undefined, volumes: [], images: [] };
    }
  }

  /** The project's name and the services meant. Throws `not-found` for one that the project has not. */
  selected(services: readonly string[]): Selected {
    const project = this.namedProject();
    const unknown = services.find((name) => project.services?.includes(name) === false);
    if (unknown !== undefined) throw notFound(`no such service: ${unknown}`);
    return { project: project.name, services };
  }

  async run(): Promise<ComposeRun> {
    const client = await this.cli.connect();
    return { client, progress: this.#progress(), warn: (text) => this.warn(text) };
  }

  /** Where the lines of containers go. */
  logLines({ prefix = true, colour = true }: { prefix?: boolean; colour?: boolean } = {}): LogLines {
    const { stdout, stderr } = process;
    return new LogLines({ stdout, stderr, prefix, colour: colour && this.#hasColours() });
  }

  /** Tells the user, each thing once. */
  warn(text: string): void {
    if (this.#warned.has(text)) return;
    this.#warned.add(text);
    process.stderr.write(`WARNING: ${text}\n`);
  }

  #load(services: readonly string[]): Project {
    const { file, projectName, projectDirectory, profile, envFile } = this.options;
    return loadProject({
      files: file,
      projectName,
      projectDirectory,
      profiles: profile,
      envFiles: envFile,
      cwd: process.cwd(),
      env: this.cli.env,
      services,
    });
  }

  #hasColours(): boolean {
    const { ansi } = this.options;
    return ansi === 'auto' ? process.stdout.isTTY && this.cli.env.NO_COLOR === undefined : ansi === 'always';
  }

  #progress(): Progress {
    const { progress, ansi } = this.options;
    if (progress === 'quiet') return quietProgress();
    const isTerminal = process.stderr.isTTY && ansi !== 'never';
    if (progress === 'plain' || (progress === 'auto' && !isTerminal)) return plainProgress(process.stderr);
    return terminalProgress(process.stderr);
  }
}
