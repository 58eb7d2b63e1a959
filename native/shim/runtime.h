/* Calls of the OCI runtime (crun, runc): one job each, ended by SIGCHLD. */
#ifndef BERTH_RUNTIME_H
#define BERTH_RUNTIME_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/buffer.h"
#include "common/failure.h"

struct supervisor;
struct session;
struct job;

#define JOB_DESCRIPTORS 4

typedef void (*job_done)(struct job *job, bool succeeded);

struct job {
    struct supervisor *supervisor;
    pid_t pid;
    int log; /* an unnamed file that the runtime writes its complaints to, as JSON lines */
    int file; /* kept open for the runtime to read, or -1 */
    struct session *session; /* waits for the answer; NULL when it went away */
    uint16_t request;
    job_done done;
    void *context;
    struct job *next;
};

/*
 * Runs `RUNTIME GLOBALS --root STATE --log FILE --log-format json ARGUMENTS…` in the container's folder with PATH as
 * the only variable. Of `descriptors` the first three are the standard streams, -1 is /dev/null; the last, if not -1,
 * is inherited as well, under any number from 3 on. `done` is called once, then the job is freed.
 */
struct job *job_start(struct supervisor *supervisor, const char *const *arguments,
                      const int descriptors[JOB_DESCRIPTORS], job_done done, void *context, struct failure *why);

/* The job with this pid, or NULL. */
struct job *job_find(struct supervisor *supervisor, pid_t pid);

void job_ended(struct job *job, int status);

/* What the runtime complained about; bounded. */
void job_words(const struct job *job, struct buffer *out);

#endif
