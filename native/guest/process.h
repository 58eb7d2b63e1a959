/* A process that the host has started: its streams, and its end. */
#ifndef BERTH_GUEST_PROCESS_H
#define BERTH_GUEST_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/buffer.h"
#include "common/loop.h"
#include "guest.h"

/* One of its outputs, on its way to the host. */
struct output {
    struct watch watch;
    uint64_t credit;    /* bytes that the host takes now */
    struct buffer rest; /* what an ended process has left; the watch is closed then */
};

struct process {
    struct guest *guest;
    struct process *next;
    uint16_t id;
    pid_t pid;
    bool is_main;
    bool is_worker;
    bool is_probe;
    bool terminal;
    bool started; /* its program was executed, and the host knows */
    bool failed;  /* it was not, and the host knows */
    bool ended;
    int status; /* as waitpid(2) has it */
    uint64_t kills_before;
    int stop_signal; /* 0: no rule for it */
    struct watch channel; /* to the process that has not executed its program yet */
    struct output output[2];
    struct watch input;
    struct buffer input_queue;
    uint64_t input_taken; /* bytes that the host has not got back yet */
    bool input_ends;
    struct watch grace; /* a timer: how long PID 1 may live on after a stop signal that it cannot receive */
    uint16_t rows, columns;
};

/* Starts a process; STARTED or ERROR follow. */
int process_start(struct guest *guest, uint16_t id, const struct process_plan *plan, struct failure *why);

struct process *process_find(struct guest *guest, uint16_t id);
struct process *process_of_pid(struct guest *guest, pid_t pid);

/* The host's bytes for it. More than the window allows are refused. */
int process_input(struct process *process, const void *data, size_t length, struct failure *why);
void process_input_end(struct process *process);

/* The host takes so many more bytes of an output. */
int process_credit(struct process *process, uint64_t stream, uint64_t bytes, struct failure *why);

int process_signal(struct process *process, uint64_t number, struct failure *why);
int process_resize(struct process *process, uint64_t rows, uint64_t columns, struct failure *why);

/* It has ended with this status: EXITED follows when all that it wrote is sent. */
void process_ended(struct process *process, int status);

/* Sends EXITED and forgets the process, if it has ended and all that it wrote is sent. */
void exit_if_sent(struct process *process);

void process_free(struct process *process);

#endif
