#include "runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/io.h"
#include "supervisor.h"

#define ARGUMENTS_MAX 64
#define WORDS_MAX 8192

static char *const ENVIRONMENT[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL};

static int build_arguments(const struct plan *plan, const char *log, const char *const *arguments,
                           const char *all[ARGUMENTS_MAX]) {
    size_t count = 0;
    size_t extra = 0;
    while (arguments[extra]) extra++;
    if (plan->runtime_arguments.count + extra + 8 > ARGUMENTS_MAX) return -1;
    all[count++] = plan->runtime;
    for (size_t index = 0; index < plan->runtime_arguments.count; index++) {
        all[count++] = plan->runtime_arguments.items[index];
    }
    const char *const own[] = {"--root", plan->runtime_root, "--log", log, "--log-format", "json"};
    for (size_t index = 0; index < 6; index++) all[count++] = own[index];
    for (size_t index = 0; index < extra; index++) all[count++] = arguments[index];
    all[count] = NULL;
    return 0;
}

/* In the child: what we set up for ourselves must not reach the container. */
static void exec_runtime(const struct sealed_program *copy, const char *const *arguments,
                         const int descriptors[JOB_DESCRIPTORS]) {
    int ends[3];
    for (int index = 0; index < 3; index++) {
        int fd = descriptors[index] >= 0 ? descriptors[index] : open("/dev/null", O_RDWR | O_CLOEXEC);
        ends[index] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    }
    for (int index = 0; index < 3; index++) {
        if (dup2(ends[index], index) < 0) _exit(126);
    }
    if (descriptors[3] >= 0 && fcntl(descriptors[3], F_DUPFD, 3) < 0) _exit(126);
    static const int IGNORED[] = {SIGPIPE, SIGHUP, SIGINT, SIGTERM};
    for (size_t index = 0; index < sizeof(IGNORED) / sizeof(*IGNORED); index++) signal(IGNORED[index], SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (sealed_program_is_current(copy, arguments[0])) fexecve(copy->copy, (char *const *)arguments, ENVIRONMENT);
    execve(arguments[0], (char *const *)arguments, ENVIRONMENT);
    _exit(127);
}

static void report_exec_failure(int log, const char *path, int error) {
    dprintf(log, "{\"level\":\"error\",\"msg\":\"the OCI runtime %s cannot be started: %s\"}\n", path, strerror(error));
}

struct job *job_start(struct supervisor *supervisor, const char *const *arguments,
                      const int descriptors[JOB_DESCRIPTORS], job_done done, void *context, struct failure *why) {
    struct job *job = calloc(1, sizeof(*job));
    AUTO_CLOSE log = memory_file("runtime-log", NULL, 0);
    char log_path[64];
    const char *all[ARGUMENTS_MAX];
    snprintf(log_path, sizeof(log_path), "/proc/%d/fd/%d", (int)getpid(), log);
    if (!job || log < 0 || build_arguments(&supervisor->plan, log_path, arguments, all) < 0) {
        free(job);
        fail(why, FAILURE_INTERNAL, "the OCI runtime's arguments do not fit");
        return NULL;
    }
    pid_t pid = fork();
    if (pid < 0) {
        free(job);
        fail_errno(why, "no process for the OCI runtime");
        return NULL;
    }
    if (pid == 0) exec_runtime(&supervisor->oci_runtime, all, descriptors);
    *job = (struct job){.supervisor = supervisor, .pid = pid, .log = take_fd(&log), .file = -1, .done = done,
                        .context = context, .next = supervisor->jobs};
    supervisor->jobs = job;
    return job;
}

struct job *job_find(struct supervisor *supervisor, pid_t pid) {
    struct job *job = supervisor->jobs;
    while (job && job->pid != pid) job = job->next;
    return job;
}

void job_ended(struct job *job, int status) {
    for (struct job **link = &job->supervisor->jobs; *link; link = &(*link)->next) {
        if (*link != job) continue;
        *link = job->next;
        break;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127 && access(job->supervisor->plan.runtime, X_OK) < 0) {
        report_exec_failure(job->log, job->supervisor->plan.runtime, errno);
    }
    job->done(job, WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close_fd(&job->log);
    close_fd(&job->file);
    free(job);
}

void job_words(const struct job *job, struct buffer *out) {
    uint8_t *room = buffer_reserve(out, WORDS_MAX);
    if (!room) return;
    ssize_t count = pread(job->log, room, WORDS_MAX, 0);
    if (count > 0) out->length += (size_t)count;
}
