/* A process of the container, PID 1 or an exec: its standard streams, who is attached to them, and its end. */
#ifndef BERTH_PROCESS_H
#define BERTH_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/buffer.h"
#include "common/failure.h"
#include "common/loop.h"
#include "runtime.h"

struct supervisor;
struct session;

struct process {
    struct supervisor *supervisor;
    struct process *next;
    bool is_init;
    bool terminal;
    pid_t pid; /* 0: not started yet */
    pid_t starting_pid; /* the runtime has made it, but it is not decided whether the start succeeds */
    bool ended;
    int exit_code;
    int end_signal; /* 0: it ended by itself */
    struct watch output[2]; /* our ends of stdout and stderr; the terminal's master is output[0] */
    struct watch input;     /* our end of stdin, -1: closed or never open; for a terminal a second master */
    bool takes_input;
    struct watch execution; /* end of file: the start can be decided (execution.h); -1: it is */
    int theirs[JOB_DESCRIPTORS]; /* the runtime's ends, until it has ended */
    int console; /* listens for the terminal's master */
    char console_path[32];
    uint16_t rows;
    uint16_t columns;
    struct session *starter; /* waits for an exec to start */
    uint16_t start_request;
    char pid_file[32];
};

struct process *process_new(struct supervisor *supervisor, bool is_init, bool terminal);

/* Makes the pipes or the console socket; `takes_input` says whether stdin is more than /dev/null. */
int process_open(struct process *process, bool takes_input, struct failure *why);

/* The runtime has made it: reads its pid file and takes the terminal over. */
int process_made(struct process *process, struct failure *why);

/* Its start has succeeded: begins to read its output. */
void process_started(struct process *process);

/* Its start has failed: what it said of that where its stderr would have been; bounded. */
void process_last_words(struct process *process, struct buffer *out);

/* Its end was reaped. Everything that it wrote is read first, whoever lags. */
void process_ended(struct process *process, int status);

void process_free(struct process *process);

/* The process with this pid that has not ended. */
struct process *process_find(struct supervisor *supervisor, pid_t pid);

/* Gives the waiting input of the attached sessions to the process, as far as it takes it. */
void process_feed(struct process *process);

void process_close_input(struct process *process);

/* Reads its output or stops, depending on the sessions' queues. */
void process_pace(struct process *process);

int process_signal(struct process *process, uint64_t number, struct failure *why);
int process_resize(struct process *process, uint64_t rows, uint64_t columns, struct failure *why);

#endif
