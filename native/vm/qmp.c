#include "qmp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/io.h"
#include "pass-descriptors.h"

/* What is kept of a line. No event that matters is longer; an answer that is, is refused. */
#define LINE_MAX_BYTES (256u * 1024)
#define PIECE 4096

static void advance(struct qmp *qmp);

static void flush(struct qmp *qmp) {
    while (qmp->out.length > 0) {
        ssize_t count = RETRY(write(qmp->watch.fd, qmp->out.data, qmp->out.length));
        if (count < 0 && errno == EAGAIN) break;
        if (count < 0) buffer_free(&qmp->out); /* the end is seen where it is read */
        else buffer_consume(&qmp->out, (size_t)count);
    }
    loop_watch(qmp->loop, &qmp->watch, qmp->out.length > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static int send_line(struct qmp *qmp, const char *line) {
    if (buffer_append(&qmp->out, line, strlen(line)) < 0 || buffer_append(&qmp->out, "\n", 1) < 0) return -1;
    flush(qmp);
    return 0;
}

/* ---- the script ---- */

static void fail_script(struct qmp *qmp, const struct failure *why) {
    qmp->script = NULL;
    qmp->events->script_failed(qmp, why);
}

static const struct step_plan *step_at(const struct qmp *qmp, size_t step) {
    return qmp->script && step < qmp->script->step_count ? &qmp->script->steps[step] : NULL;
}

static void next_step(struct qmp *qmp) {
    qmp->step++;
    qmp->sent = false;
    advance(qmp);
}

static void advance(struct qmp *qmp) {
    const struct step_plan *step = step_at(qmp, qmp->step);
    if (!step) {
        qmp->script = NULL;
        qmp->events->script_done(qmp);
    } else if (step->command && !qmp->sent) {
        qmp->sent = true;
        qmp->happened = false;
        struct failure why;
        fail(&why, FAILURE_INTERNAL, "there is no memory for QEMU's script");
        if (send_line(qmp, step->command) < 0) fail_script(qmp, &why);
    } else if (!step->command && qmp->happened) {
        qmp->happened = false;
        next_step(qmp);
    }
}

static bool is_awaited(const struct step_plan *step, struct span name, struct span line) {
    if (!step || step->command || !json_is_text(name, step->event)) return false;
    for (size_t index = 0; index < step->words.count; index++) {
        if (!span_holds(line, step->words.items[index])) return false;
    }
    return true;
}

static void refuse_script(struct qmp *qmp, struct span error) {
    struct failure why;
    char words[512];
    json_text(json_member(error, "desc"), words, sizeof(words));
    fail(&why, FAILURE_INTERNAL, "QEMU refuses %.200s: %s", qmp->script->steps[qmp->step].command, words);
    fail_script(qmp, &why);
}

/* ---- single commands ---- */

static void free_command(struct qmp_command *command) {
    close_fd(&command->descriptor);
    free(command->line);
    free(command);
}

static void command_done(struct qmp *qmp, const struct failure *why, struct span answer);

/* Nothing is queued before it: each command waits for the answer to the one before. QEMU skips the white space. */
static int send_descriptor(struct qmp *qmp, int *descriptor) {
    if (*descriptor < 0) return 0;
    int result = qmp->out.length > 0 ? -1 : send_with_descriptors(qmp->watch.fd, "\n", 1, descriptor, 1);
    close_fd(descriptor);
    return result;
}

static void send_next(struct qmp *qmp) {
    struct failure why;
    if (!qmp->commands) return;
    if (send_descriptor(qmp, &qmp->commands->descriptor) < 0) {
        fail_errno(&why, "QEMU does not take the file");
        command_done(qmp, &why, (struct span){0});
    } else if (send_line(qmp, qmp->commands->line) < 0) qmp_close(qmp);
}

static void command_done(struct qmp *qmp, const struct failure *why, struct span answer) {
    struct qmp_command *command = qmp->commands;
    if (!command) return;
    qmp->commands = command->next;
    if (command->context) command->done(command->context, why, answer);
    free_command(command);
    send_next(qmp);
}

int qmp_do(struct qmp *qmp, const char *line, int descriptor, qmp_done *done, void *context) {
    AUTO_CLOSE passed = descriptor;
    struct qmp_command *command = calloc(1, sizeof(*command));
    char *copy = strdup(line);
    if (!command || !copy || qmp->watch.fd < 0) {
        free(command);
        free(copy);
        return -1;
    }
    *command =
        (struct qmp_command){.line = copy, .descriptor = take_fd(&passed), .done = done, .context = context};
    struct qmp_command **link = &qmp->commands;
    while (*link) link = &(*link)->next;
    *link = command;
    if (qmp->commands == command) send_next(qmp);
    return 0;
}

/* ---- what comes ---- */

static void take_return(struct qmp *qmp, bool succeeded, struct span value, struct span line) {
    if (qmp->script) {
        if (!qmp->sent) return;
        if (succeeded) next_step(qmp);
        else refuse_script(qmp, value);
        return;
    }
    struct failure why;
    if (!succeeded) {
        char words[512];
        json_text(json_member(value, "desc"), words, sizeof(words));
        fail(&why, FAILURE_INTERNAL, "QEMU refuses: %s", words);
    }
    command_done(qmp, succeeded ? NULL : &why, line);
}

static void take_event(struct qmp *qmp, struct span name, struct span line) {
    const struct step_plan *now = step_at(qmp, qmp->step);
    /* An event may come before the answer to the command that caused it. */
    bool ahead = qmp->sent && is_awaited(step_at(qmp, qmp->step + 1), name, line);
    qmp->events->event(qmp, name, line);
    if (ahead) qmp->happened = true;
    else if (is_awaited(now, name, line)) next_step(qmp);
}

static void take_line(struct qmp *qmp, struct span line) {
    struct span value;
    switch (qmp_line_of(line, &value)) {
        case QMP_RETURN: take_return(qmp, true, value, line); break;
        case QMP_ERROR: take_return(qmp, false, value, line); break;
        case QMP_EVENT: take_event(qmp, value, line); break;
        default: break; /* the greeting */
    }
}

/* The rest of it is not looked at; whoever waits for it must not wait for ever. */
static void skip_line(struct qmp *qmp) {
    struct span value;
    enum qmp_line kind = qmp_line_of((struct span){.at = (const char *)qmp->in.data, .length = qmp->in.length}, &value);
    bool was_skipping = qmp->skipping;
    struct failure why;
    qmp->skipping = true;
    buffer_free(&qmp->in);
    if (was_skipping || qmp->script || (kind != QMP_RETURN && kind != QMP_ERROR)) return;
    fail(&why, FAILURE_UNAVAILABLE, "QEMU's answer is longer than %u bytes", LINE_MAX_BYTES);
    command_done(qmp, &why, (struct span){0});
}

static void take_lines(struct qmp *qmp) {
    size_t at = 0;
    uint8_t *end;
    /* What a handler closes is gone. */
    while (qmp->watch.fd >= 0 && (end = memchr(qmp->in.data + at, '\n', qmp->in.length - at))) {
        size_t next = (size_t)(end - qmp->in.data) + 1;
        const struct span line = {.at = (const char *)qmp->in.data + at, .length = next - 1 - at};
        if (!qmp->skipping) take_line(qmp, line);
        qmp->skipping = false;
        at = next;
    }
    if (qmp->watch.fd < 0) return;
    buffer_consume(&qmp->in, at);
    if (qmp->in.length >= LINE_MAX_BYTES) skip_line(qmp);
}

/* A piece of what QEMU says; false when there is none, or QEMU has ended. */
static bool take_piece(struct qmp *qmp) {
    uint8_t *room = buffer_reserve(&qmp->in, PIECE);
    ssize_t count = room ? RETRY(read(qmp->watch.fd, room, PIECE)) : 0;
    if (count < 0 && errno == EAGAIN) return false;
    if (count <= 0) {
        loop_watch(qmp->loop, &qmp->watch, 0); /* its process tells */
        return false;
    }
    qmp->in.length += (size_t)count;
    take_lines(qmp);
    return qmp->watch.fd >= 0;
}

static void on_ready(struct watch *watch, uint32_t events) {
    struct qmp *qmp = container_of(watch, struct qmp, watch);
    if (events & EPOLLOUT) flush(qmp);
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) take_piece(qmp);
}

void qmp_take_rest(struct qmp *qmp) {
    qmp->script = NULL; /* nothing goes on from it */
    for (int pieces = 0; pieces < 16 && qmp->watch.fd >= 0 && take_piece(qmp); pieces++) continue;
}

int qmp_open(struct qmp *qmp, struct loop *loop, int fd, const struct machine_plan *script,
             const struct qmp_events *events) {
    *qmp = (struct qmp){.watch = {.fd = fd, .ready = on_ready}, .loop = loop, .events = events, .script = script};
    if (loop_watch(loop, &qmp->watch, EPOLLIN) < 0) {
        loop_close(loop, &qmp->watch);
        return -1;
    }
    return 0;
}

void qmp_begin(struct qmp *qmp) {
    advance(qmp);
}

void qmp_close(struct qmp *qmp) {
    loop_close(qmp->loop, &qmp->watch);
    buffer_free(&qmp->in);
    buffer_free(&qmp->out);
    struct failure why;
    fail(&why, FAILURE_UNAVAILABLE, "the virtual machine has ended");
    while (qmp->commands) {
        struct qmp_command *command = qmp->commands;
        qmp->commands = command->next;
        if (command->context) command->done(command->context, &why, (struct span){0});
        free_command(command);
    }
}
