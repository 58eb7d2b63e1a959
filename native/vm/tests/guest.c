/* The monitor's side of the guest protocol, with a guest that we play: a good one, and one that wants to harm. */
#include "vm/guest.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/io.h"
#include "testing/check.h"
#include "turn.h"

struct play {
    struct loop loop;
    struct guest guest;
    int port; /* the guest's end */
    struct buffer heard;
    int ready;
    int closed;
    int questions;
    char broken[128];
    int started;
    int ended;
    int refused;
    int code;
    int input;  /* our end of the process's standard input */
    int output; /* and of its standard output */
    struct process *process;
};

static struct play *play_of(struct guest *guest) {
    return container_of(guest, struct play, guest);
}

static void on_ready(struct guest *guest) {
    play_of(guest)->ready++;
}

static void on_question(struct guest *guest, uint16_t id, bool by_tcp, const uint8_t *message, size_t length) {
    (void)id;
    (void)by_tcp;
    (void)message;
    (void)length;
    play_of(guest)->questions++;
}

static void on_out_of_memory(struct guest *guest) {
    (void)guest;
}

static void on_broken(struct guest *guest, const char *why) {
    strncpy(play_of(guest)->broken, why, sizeof(play_of(guest)->broken) - 1);
}

static void on_closed(struct guest *guest) {
    play_of(guest)->closed++;
}

static const struct guest_events EVENTS = {.ready = on_ready,
                                           .question = on_question,
                                           .out_of_memory = on_out_of_memory,
                                           .broken = on_broken,
                                           .closed = on_closed};

static void on_started(struct process *process, uint64_t pid) {
    struct play *play = process->context;
    CHECK(pid == 1);
    play->started++;
}

static void on_refused(struct process *process, const struct failure *why) {
    struct play *play = process->context;
    CHECK(strcmp(why->kind, "not-found") == 0);
    play->refused++;
    play->process = NULL;
}

static void on_ended(struct process *process) {
    struct play *play = process->context;
    play->ended++;
    play->code = process->code;
    play->process = NULL;
}

static const struct process_events PROCESS_EVENTS = {.started = on_started, .refused = on_refused, .ended = on_ended};

static void open_play(struct play *play) {
    int ends[2];
    *play = (struct play){.input = -1, .output = -1};
    CHECK(loop_open(&play->loop) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    play->port = ends[1];
    CHECK(guest_open(&play->guest, &play->loop, ends[0], &EVENTS) == 0);
}

static void close_play(struct play *play) {
    guest_close(&play->guest);
    buffer_free(&play->heard);
    close_fd(&play->port);
    close_fd(&play->input);
    close_fd(&play->output);
    close(play->loop.epoll);
}

/* As much of it as the port takes. */
static void say(struct play *play, uint8_t type, uint16_t id, const struct buffer *payload) {
    AUTO_BUFFER frame = {0};
    size_t sent = 0;
    CHECK(frame_append(&frame, type, id, payload ? payload->data : NULL, payload ? payload->length : 0) == 0);
    while (sent < frame.length) {
        ssize_t count = send(play->port, frame.data + sent, frame.length - sent, MSG_NOSIGNAL);
        if (count > 0) sent += (size_t)count;
        else if (play->broken[0]) return;
        turn(&play->loop);
    }
    turn(&play->loop);
}

static void say_number(struct play *play, uint8_t type, uint16_t id, uint16_t tag, uint64_t number) {
    AUTO_BUFFER payload = {0};
    field_append_number(&payload, tag, number);
    say(play, type, id, &payload);
}

static void say_bytes(struct play *play, uint8_t type, uint16_t id, size_t length) {
    AUTO_BUFFER payload = {0};
    uint8_t *room = buffer_reserve(&payload, length + 1);
    CHECK(room);
    memset(room, 'x', length);
    payload.length = length;
    say(play, type, id, &payload);
}

/* The next frame that the guest has got; type 0: none. */
static struct frame hear(struct play *play) {
    struct frame frame = {0};
    size_t used;
    uint8_t *room;
    ssize_t count;
    static uint8_t last[GUEST_REQUEST_MAX / 8];
    while ((room = buffer_reserve(&play->heard, 65536)) && (count = read(play->port, room, 65536)) > 0) {
        play->heard.length += (size_t)count;
        turn(&play->loop);
    }
    if (frame_decode(play->heard.data, play->heard.length, GUEST_REQUEST_MAX, &frame, &used) != FRAME_WHOLE) {
        return (struct frame){0};
    }
    CHECK(frame.length <= sizeof(last));
    memcpy(last, frame.payload, frame.length);
    frame.payload = last;
    buffer_consume(&play->heard, used);
    return frame;
}

static void start_process(struct play *play) {
    int input[2];
    int output[2];
    CHECK(pipe2(input, O_CLOEXEC) == 0 && pipe2(output, O_CLOEXEC) == 0);
    int streams[3] = {input[0], output[1], -1};
    play->input = input[1];
    play->output = output[0];
    CHECK(set_nonblocking(play->input) == 0 && set_nonblocking(play->output) == 0);
    play->process = process_start(&play->guest, "plan", 4, streams, &PROCESS_EVENTS, play);
    CHECK(play->process && play->process->id == GUEST_MAIN_PROCESS);
    struct frame frame = hear(play);
    CHECK(frame.type == GUEST_START && frame.id == GUEST_MAIN_PROCESS && frame.length == 4);
}

static void start_and_run(struct play *play) {
    open_play(play);
    start_process(play);
    say_number(play, GUEST_STARTED, GUEST_MAIN_PROCESS, GUEST_TAG_PID, 1);
    CHECK(play->started == 1);
}

static void a_process_runs_from_start_to_end(void) {
    struct play play;
    char text[16] = {0};
    start_and_run(&play);
    CHECK(write(play.input, "in", 2) == 2);
    turn(&play.loop);
    struct frame frame = hear(&play);
    CHECK(frame.type == GUEST_STDIN && frame.length == 2 && memcmp(frame.payload, "in", 2) == 0);
    close_fd(&play.input);
    turn(&play.loop);
    CHECK(hear(&play).type == GUEST_CLOSE_STDIN);
    say_bytes(&play, GUEST_STDOUT, GUEST_MAIN_PROCESS, 3);
    CHECK(read(play.output, text, sizeof(text)) == 3);
    process_signal(play.process, 15);
    CHECK(hear(&play).type == GUEST_SIGNAL);
    process_resize(play.process, 24, 80);
    CHECK(hear(&play).type == GUEST_RESIZE);
    say_number(&play, GUEST_EXITED, GUEST_MAIN_PROCESS, GUEST_TAG_CODE, 7);
    CHECK(play.ended == 1 && play.code == 7 && read(play.output, text, sizeof(text)) == 0);
    close_play(&play);
}

static void a_refused_process_has_a_reason(void) {
    struct play play;
    AUTO_BUFFER error = {0};
    open_play(&play);
    start_process(&play);
    field_append_text(&error, GUEST_TAG_KIND, "not-found");
    field_append_text(&error, GUEST_TAG_MESSAGE, "no such file");
    say(&play, GUEST_ERROR, GUEST_MAIN_PROCESS, &error);
    CHECK(play.refused == 1 && !play.guest.processes && !play.broken[0]);
    close_play(&play);
}

/* Nobody reads: what is under way waits, and as much fits as was agreed; then it is read, and given back. */
static void output_waits_for_its_reader(void) {
    struct play play;
    static char piece[65536];
    size_t sent = 0;
    start_and_run(&play);
    for (; sent + GUEST_STREAM_MAX <= GUEST_WINDOW_BYTES; sent += GUEST_STREAM_MAX) {
        say_bytes(&play, GUEST_STDOUT, GUEST_MAIN_PROCESS, GUEST_STREAM_MAX);
    }
    CHECK(!play.broken[0] && play.process->output[0].pending.length > 0);
    size_t received = 0;
    ssize_t count;
    while (received < sent && (count = read(play.output, piece, sizeof(piece))) > 0) {
        received += (size_t)count;
        turn(&play.loop);
    }
    CHECK(received == sent && hear(&play).type == GUEST_WINDOW);
    close_play(&play);
}

/* The reader comes back after the process has ended: a pipe that is large enough keeps all of it. */
static void an_ended_process_leaves_its_output(void) {
    struct play play;
    static char piece[65536];
    size_t received = 0;
    ssize_t count;
    start_and_run(&play);
    for (int pieces = 0; pieces < 6; pieces++) say_bytes(&play, GUEST_STDOUT, GUEST_MAIN_PROCESS, GUEST_STREAM_MAX);
    say_number(&play, GUEST_EXITED, GUEST_MAIN_PROCESS, GUEST_TAG_CODE, 0);
    CHECK(play.ended == 1);
    while ((count = read(play.output, piece, sizeof(piece))) > 0) received += (size_t)count;
    CHECK(received == 6 * GUEST_STREAM_MAX);
    close_play(&play);
}

/* A guest that takes no input gets no more than was agreed, and goes on when it gives some back. */
static void input_waits_for_the_guest(void) {
    struct play play;
    static char piece[65536];
    size_t received = 0;
    start_and_run(&play);
    for (int pieces = 0; pieces < 64; pieces++) {
        if (write(play.input, piece, sizeof(piece)) < 0) break;
        turn(&play.loop);
        for (struct frame frame; (frame = hear(&play)).type == GUEST_STDIN;) received += frame.length;
    }
    CHECK(received == GUEST_WINDOW_BYTES);
    say_number(&play, GUEST_WINDOW, GUEST_MAIN_PROCESS, GUEST_TAG_BYTES, 1000);
    size_t more = 0;
    for (struct frame frame; (frame = hear(&play)).type == GUEST_STDIN;) more += frame.length;
    CHECK(more == 1000);
    close_play(&play);
}

static int answered;

static void on_answer(struct request *request, const struct frame *answer) {
    CHECK(request->context && answer->type == GUEST_FILES);
    answered++;
}

static void requests_get_their_answers(void) {
    struct play play;
    open_play(&play);
    answered = 0;
    CHECK(guest_ask(&play.guest, GUEST_STATISTICS, NULL, 0, on_answer, &play));
    CHECK(guest_ask(&play.guest, GUEST_STATISTICS, NULL, 0, on_answer, &answered));
    uint16_t first = hear(&play).id;
    uint16_t second = hear(&play).id;
    CHECK(first != second && first != GUEST_MAIN_PROCESS && second != GUEST_MAIN_PROCESS);
    guest_forget(&play.guest, &play);
    say(&play, GUEST_FILES, second, NULL);
    say(&play, GUEST_FILES, first, NULL);
    CHECK(answered == 1 && !play.guest.requests && !play.broken[0]);
    close_play(&play);
}

static void a_ready_guest_says_its_version(void) {
    struct play play;
    open_play(&play);
    say_number(&play, GUEST_READY, 0, GUEST_TAG_VERSION, GUEST_VERSION);
    CHECK(play.ready == 1);
    say_number(&play, GUEST_READY, 0, GUEST_TAG_VERSION, GUEST_VERSION + 1);
    CHECK(play.ready == 1 && strstr(play.broken, "version"));
    close_play(&play);
}

/* What it leaves untaken is bounded, whatever it is told or asks for; and it may come back. */
static void little_is_kept_for_a_guest_that_takes_nothing(void) {
    struct play play;
    static const uint8_t answer[512];
    const size_t most = 1200u * 1024;
    start_and_run(&play);
    for (int questions = 0; questions < 20000; questions++) {
        guest_tell(&play.guest, GUEST_DNS_ANSWER, 1, answer, sizeof(answer));
        process_signal(play.process, 15);
    }
    CHECK(guest_is_deaf(&play.guest) && connection_queued(&play.guest.connection) < most);
    static char output[3 * GUEST_STREAM_MAX];
    size_t untaken = connection_queued(&play.guest.connection);
    for (int pieces = 0; pieces < 3; pieces++) {
        say_bytes(&play, GUEST_STDOUT, GUEST_MAIN_PROCESS, GUEST_STREAM_MAX);
        CHECK(read(play.output, output, sizeof(output)) > 0);
        turn(&play.loop);
    }
    CHECK(!play.broken[0] && connection_queued(&play.guest.connection) == untaken);
    int streams[3] = {-1, -1, -1};
    CHECK(!guest_ask(&play.guest, GUEST_STATISTICS, NULL, 0, on_answer, &play));
    CHECK(!process_start(&play.guest, "plan", 4, streams, &PROCESS_EVENTS, &play));
    int given_back = 0;
    for (struct frame frame = hear(&play); frame.type; frame = hear(&play)) {
        given_back += frame.type == GUEST_WINDOW;
        turn(&play.loop);
    }
    CHECK(given_back == 1 && !guest_is_deaf(&play.guest) && guest_ask(&play.guest, GUEST_STATISTICS, NULL, 0, on_answer, &play));
    CHECK(hear(&play).type == GUEST_STATISTICS);
    close_play(&play);
}

/* A guest that never says whether a process has started keeps none of our descriptors. */
static void a_process_that_nobody_waits_for_keeps_nothing_open(void) {
    struct play play;
    char byte;
    open_play(&play);
    start_process(&play);
    process_abandon(play.process);
    CHECK(hear(&play).type == GUEST_SIGNAL);
    CHECK(read(play.output, &byte, 1) == 0 && play.process->input.watch.fd < 0);
    close_play(&play);
}

static void a_reason_is_no_command_of_a_terminal(void) {
    AUTO_BUFFER fields = {0};
    struct failure why;
    field_append_text(&fields, GUEST_TAG_MESSAGE, "\033]0;mine\a\r\302\2332J \302\265\177");
    const struct frame error = {.type = GUEST_ERROR, .payload = fields.data, .length = (uint32_t)fields.length};
    guest_failure(&error, &why);
    CHECK(strcmp(why.message, " ]0;mine    2J \302\265 ") == 0);
}

/* ---- a guest that breaks the rules ---- */

static void check_broken(struct play *play, const char *words) {
    CHECK(strstr(play->broken, words));
    close_play(play);
}

static void what_cannot_be_ends_the_channel(void) {
    struct play play;
    open_play(&play);
    say(&play, GUEST_OK, 9, NULL);
    check_broken(&play, "nobody asked");
    open_play(&play);
    say_bytes(&play, GUEST_STDOUT, 77, 1);
    check_broken(&play, "does not exist");
    open_play(&play);
    say(&play, 0x42, 0, NULL);
    check_broken(&play, "does not exist");
    open_play(&play);
    say_bytes(&play, GUEST_READY, 0, 5000);
    check_broken(&play, "too long");
    start_and_run(&play);
    say_number(&play, GUEST_STARTED, GUEST_MAIN_PROCESS, GUEST_TAG_PID, 1);
    check_broken(&play, "started that cannot");
    start_and_run(&play);
    say_number(&play, GUEST_EXITED, GUEST_MAIN_PROCESS, GUEST_TAG_CODE, 256);
    check_broken(&play, "ended that cannot");
    start_and_run(&play);
    say_number(&play, GUEST_WINDOW, GUEST_MAIN_PROCESS, GUEST_TAG_BYTES, UINT64_MAX);
    check_broken(&play, "more input");
    start_and_run(&play);
    say_bytes(&play, GUEST_STDOUT, GUEST_MAIN_PROCESS, GUEST_STREAM_MAX + 1);
    check_broken(&play, "too long");
}

/* The monitor ends as the process did: by a signal that stops instead, it would stand still for ever. */
static void a_process_ends_by_no_signal_that_stops_it(void) {
    static const uint64_t STOPS[] = {SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU};
    for (size_t index = 0; index < sizeof(STOPS) / sizeof(*STOPS); index++) {
        struct play play;
        start_and_run(&play);
        say_number(&play, GUEST_EXITED, GUEST_MAIN_PROCESS, GUEST_TAG_END_SIGNAL, STOPS[index]);
        CHECK(play.ended == 0);
        check_broken(&play, "ended that cannot");
    }
}

static void more_output_than_agreed_ends_the_channel(void) {
    struct play play;
    start_and_run(&play);
    for (int pieces = 0; pieces < 64 && !play.broken[0]; pieces++) {
        say_bytes(&play, GUEST_STDOUT, GUEST_MAIN_PROCESS, GUEST_STREAM_MAX);
        CHECK(play.process->output[0].pending.capacity <= 2 * GUEST_WINDOW_BYTES);
    }
    check_broken(&play, "more output");
}

static void a_frame_that_is_too_long_ends_the_channel(void) {
    struct play play;
    const uint8_t head[] = {0xff, 0xff, 0xff, 0x7f, PROTOCOL_VERSION, GUEST_STDOUT, 1, 0};
    open_play(&play);
    CHECK(write(play.port, head, sizeof(head)) == (ssize_t)sizeof(head));
    turn(&play.loop);
    check_broken(&play, "longer than any");
}

static void the_end_of_qemu_breaks_nothing(void) {
    struct play play;
    start_and_run(&play);
    close_fd(&play.port);
    turn(&play.loop);
    CHECK(play.closed == 1 && !play.broken[0]);
    close_play(&play);
}

int main(void) {
    a_process_runs_from_start_to_end();
    a_refused_process_has_a_reason();
    output_waits_for_its_reader();
    an_ended_process_leaves_its_output();
    input_waits_for_the_guest();
    requests_get_their_answers();
    a_ready_guest_says_its_version();
    little_is_kept_for_a_guest_that_takes_nothing();
    a_process_that_nobody_waits_for_keeps_nothing_open();
    a_reason_is_no_command_of_a_terminal();
    what_cannot_be_ends_the_channel();
    a_process_ends_by_no_signal_that_stops_it();
    more_output_than_agreed_ends_the_channel();
    a_frame_that_is_too_long_ends_the_channel();
    the_end_of_qemu_breaks_nothing();
    return 0;
}
