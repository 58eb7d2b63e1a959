import { notImplemented } from '../../base/index.ts';
import type { Builder, SolvedBuild } from '../builder.ts';
import type { BuildEvent, ClientFolders } from '../contract.ts';
import { NO_LIMITS } from '../no-limits.ts';
import { StepReports } from '../step-report.ts';
import { SessionFolder } from './diff-copy.ts';
import { DockerfileText } from './dockerfile-text.ts';
import type { Job } from './jobs.ts';
import type { Sessions } from './session.ts';
import { type FrontendRequest, parseFrontend } from './solve-request.ts';
import { uploadedTar } from './uploaded-tar.ts';

/** What BuildKit's clients ask to be built, done by berth's builder. */
export class Builds {
  readonly #builder: Pick<Builder, 'solve'>;
  readonly #sessions: Sessions;

  constructor(builder: Pick<Builder, 'solve'>, sessions: Sessions) {
    this.#builder = builder;
    this.#sessions = sessions;
  }

  /** Builds for a job what a frontend's attributes ask for, telling the job how it goes. Throws as the builder does. */
  async run(
    job: Job,
    { frontend, attributes }: { frontend: string; attributes: Readonly<Record<string, string>> },
    signal: AbortSignal,
  ): Promise<SolvedBuild> {
    try {
      return await this.#solve(job, parseFrontend(frontend, attributes), signal);
    } catch (error) {
      job.failure = error;
      throw error;
    }
  }

  async #solve(job: Job, request: FrontendRequest, asked: AbortSignal): Promise<SolvedBuild> {
    const { cacheImports, folderSessions, contextPlace, ...asIs } = request;
    const session = await this.#sessions.find(job.session, AbortSignal.any([asked, job.signal]));
    const signal = AbortSignal.any([asked, job.signal, session.signal]);
    const emit = (event: BuildEvent) => tell(job, event);
    await refuseCaches(cacheImports, emit, signal);
    const uploaded = uploadedTar(contextPlace, session, signal);
    if (contextPlace !== undefined && uploaded === undefined)
      throw notImplemented(`a build context at ${contextPlace} is not there yet`, {
        hint: 'Fetch it and build with its folder',
      });
    const folders: ClientFolders = {
      kind: 'folders',
      open: async (folder, until) => {
        const other = folderSessions[folder.name];
        const from = other === undefined ? session : await this.#sessions.find(other, until);
        return SessionFolder.open(from, folder, until);
      },
    };
    try {
      return await this.#builder.solve(
        {
          ...asIs,
          context: uploaded ?? folders,
          tags: [],
          isolation: 'container',
          limits: NO_LIMITS,
          credentialsFor: (domain) => session.credentials(domain, signal),
        },
        emit,
        signal,
      );
    } catch (error) {
      throw session.signal.aborted ? session.signal.reason : error;
    }
  }
}

/** Tells a job of what happens in its build. */
export function tell(job: Job, event: BuildEvent): void {
  if (event.kind === 'step') job.log.note(event.step, event.news);
  else if (event.kind === 'dockerfile') job.dockerfile = new DockerfileText(event.file, event.content);
}

/** As BuildKit does with caches that it cannot read: a step fails, and the build goes on without. */
async function refuseCaches(
  names: readonly string[],
  emit: (event: BuildEvent) => void,
  signal: AbortSignal,
): Promise<void> {
  const reports = new StepReports(emit, signal, 'cache');
  for (const name of names)
    await refuseStep(reports, `importing cache manifest from ${name}`, 'reading build caches from elsewhere');
}

/** Tells of something that a build was asked for beside its result, and that is left away: a step that fails, and nothing else. */
export async function refuseStep(reports: StepReports, name: string, what: string): Promise<void> {
  await reports
    .run(name, async () => {
      throw notImplemented(`${what} is not there yet: this build goes on without`);
    })
    .catch(() => {});
}
