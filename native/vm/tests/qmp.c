/* Lines of QMP, and a script with a QEMU that we play. */
#include "vm/qmp.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/io.h"
#include "testing/check.h"
#include "turn.h"
#include "vm/pass-descriptors.h"

static struct span span_of(const char *text) {
    return (struct span){.at = text, .length = strlen(text)};
}

static void lines_are_told_apart(void) {
    struct span value;
    CHECK(qmp_line_of(span_of("{\"return\": {}}"), &value) == QMP_RETURN && value.length == 2);
    CHECK(qmp_line_of(span_of("{\"QMP\": {\"return\": 1}}"), &value) == QMP_OTHER);
    CHECK(qmp_line_of(span_of("{\"id\": [1, {\"error\": 2}], \"return\": 7}"), &value) == QMP_RETURN);
    CHECK(value.length == 1 && *value.at == '7');
    CHECK(qmp_line_of(span_of("{\"data\": {\"text\": \"\\\"event\\\": }{\"}, \"event\": \"STOP\"}"), &value) == QMP_EVENT);
    CHECK(json_is_text(value, "STOP") && !json_is_text(value, "STO"));
    CHECK(qmp_line_of(span_of("{\"error\": {\"class\": \"x\", \"desc\": \"no \\\"disk\\\"\\n\"}}"), &value) == QMP_ERROR);
    char words[32];
    json_text(json_member(value, "desc"), words, sizeof(words));
    CHECK(strcmp(words, "no \"disk\" ") == 0);
    json_text(json_member(value, "desc"), words, 4);
    CHECK(strcmp(words, "no ") == 0);
}

static void broken_lines_are_nothing(void) {
    static const char *const LINES[] = {"", "{", "{\"return", "{\"return\"", "{\"return\":", "[]", "\"return\"", "{return: 1}",
                                        "{\"a\":1 \"return\":2}", "{\"\\"};
    for (size_t index = 0; index < sizeof(LINES) / sizeof(*LINES); index++) {
        struct span value;
        enum qmp_line line = qmp_line_of(span_of(LINES[index]), &value);
        CHECK(line == QMP_OTHER || value.length == 0);
    }
}

/* ---- a script ---- */

struct play {
    struct loop loop;
    struct qmp qmp;
    int qemu;
    int done;
    int failed;
    int events;
    struct failure why;
};

static void on_script_done(struct qmp *qmp) {
    container_of(qmp, struct play, qmp)->done++;
}

static void on_script_failed(struct qmp *qmp, const struct failure *why) {
    struct play *play = container_of(qmp, struct play, qmp);
    play->failed++;
    play->why = *why;
}

static void on_event(struct qmp *qmp, struct span name, struct span line) {
    (void)name;
    (void)line;
    container_of(qmp, struct play, qmp)->events++;
}

static const struct qmp_events EVENTS = {
    .script_done = on_script_done, .script_failed = on_script_failed, .event = on_event};

static void open_play(struct play *play, const struct machine_plan *script) {
    int ends[2];
    *play = (struct play){0};
    CHECK(loop_open(&play->loop) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    play->qemu = ends[1];
    CHECK(qmp_open(&play->qmp, &play->loop, ends[0], script, &EVENTS) == 0);
    qmp_begin(&play->qmp);
}

static void close_play(struct play *play) {
    qmp_close(&play->qmp);
    close(play->qemu);
    close(play->loop.epoll);
}

static void say(struct play *play, const char *line) {
    CHECK(write_all(play->qemu, line, strlen(line)) == 0);
    turn(&play->loop);
}

static void check_heard(struct play *play, const char *words) {
    char text[512] = {0};
    ssize_t count = read(play->qemu, text, sizeof(text) - 1);
    CHECK(words ? count > 0 && strstr(text, words) != NULL : count < 0);
}

static char COMPLETED[] = "completed";
static char CONT[] = "{\"execute\":\"cont\"}";
static char INCOMING[] = "{\"execute\":\"migrate-incoming\"}";
static char MIGRATION[] = "MIGRATION";
static char *WORDS[] = {COMPLETED};
static struct step_plan STEPS[] = {{.command = INCOMING}, {.event = MIGRATION, .words = {WORDS, 1}}, {.command = CONT}};
static const struct machine_plan SCRIPT = {.steps = STEPS, .step_count = 3};

static void a_script_goes_on_when_each_step_is_done(void) {
    struct play play;
    open_play(&play, &SCRIPT);
    check_heard(&play, "migrate-incoming");
    say(&play, "{\"QMP\": {}}\r\n{\"return\": {}}\r\n");
    check_heard(&play, NULL);
    say(&play, "{\"event\": \"MIGRATION\", \"data\": {\"status\": \"active\"}}\r\n");
    check_heard(&play, NULL);
    say(&play, "{\"event\": \"MIGRATION\", \"data\": {\"status\": \"completed\"}}\r\n");
    check_heard(&play, "cont");
    CHECK(play.done == 0);
    say(&play, "{\"return\": {}}\r\n");
    CHECK(play.done == 1 && play.failed == 0 && play.events == 2);
    close_play(&play);
}

static void an_event_may_come_before_the_answer(void) {
    struct play play;
    open_play(&play, &SCRIPT);
    check_heard(&play, "migrate-incoming");
    say(&play, "{\"event\": \"MIGRATION\", \"data\": \"completed\"}\n");
    check_heard(&play, NULL);
    say(&play, "{\"return\": {}}\n");
    check_heard(&play, "cont");
    close_play(&play);
}

static void a_refusal_ends_the_script(void) {
    struct play play;
    open_play(&play, &SCRIPT);
    say(&play, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no such file\"}}\n");
    CHECK(play.failed == 1 && strstr(play.why.message, "no such file") && strstr(play.why.message, "migrate-incoming"));
    say(&play, "{\"return\": {}}\n");
    CHECK(play.done == 0 && play.failed == 1);
    close_play(&play);
}

static void a_line_without_an_end_costs_little(void) {
    static const struct machine_plan NOTHING = {0};
    struct play play;
    char piece[4096];
    memset(piece, 'x', sizeof(piece));
    open_play(&play, &NOTHING);
    CHECK(play.done == 1);
    for (int pieces = 0; pieces < 256; pieces++) {
        CHECK(write_all(play.qemu, piece, sizeof(piece)) == 0);
        turn(&play.loop);
        CHECK(play.qmp.in.capacity <= 1024 * 1024);
    }
    say(&play, "\n{\"event\": \"RESET\"}\n");
    CHECK(play.events == 1);
    close_play(&play);
}

static int answers;

static void on_answer(void *context, const struct failure *why, struct span answer) {
    CHECK(context && !why && span_holds(answer, "return"));
    answers++;
}

static void on_failure(void *context, const struct failure *why, struct span answer) {
    CHECK(context && why && !answer.at);
    answers += 10;
}

static void commands_wait_for_each_other(void) {
    static const struct machine_plan NOTHING = {0};
    struct play play;
    open_play(&play, &NOTHING);
    answers = 0;
    CHECK(qmp_do(&play.qmp, "first", -1, on_answer, &play) == 0);
    CHECK(qmp_do(&play.qmp, "second", -1, on_failure, &play) == 0);
    check_heard(&play, "first");
    say(&play, "{\"return\": {}}\n");
    CHECK(answers == 1);
    check_heard(&play, "second");
    close_play(&play);
    CHECK(answers == 11); /* its QEMU has gone */
}

static void a_descriptor_goes_with_its_command(void) {
    static const struct machine_plan NOTHING = {0};
    struct play play;
    int passed[PASSED_MAX] = {-1, -1, -1};
    size_t count;
    char byte;
    open_play(&play, &NOTHING);
    answers = 0;
    CHECK(qmp_do(&play.qmp, "first", -1, on_answer, &play) == 0);
    CHECK(qmp_do(&play.qmp, "second", open("/dev/null", O_RDONLY | O_CLOEXEC), on_answer, &play) == 0);
    check_heard(&play, "first");
    check_heard(&play, NULL);
    say(&play, "{\"return\": {}}\n");
    CHECK(receive_with_descriptors(play.qemu, &byte, 1, passed, &count) == 1 && byte == '\n');
    CHECK(count == 1 && passed[0] >= 0);
    close(passed[0]);
    check_heard(&play, "second");
    say(&play, "{\"return\": {}}\n");
    CHECK(answers == 2);
    close_play(&play);
}

static void an_answer_that_is_too_long_is_refused(void) {
    static const struct machine_plan NOTHING = {0};
    struct play play;
    char piece[4096];
    memset(piece, 'x', sizeof(piece));
    open_play(&play, &NOTHING);
    answers = 0;
    CHECK(qmp_do(&play.qmp, "first", -1, on_failure, &play) == 0);
    CHECK(qmp_do(&play.qmp, "second", -1, on_answer, &play) == 0);
    say(&play, "{\"return\": \"");
    for (int pieces = 0; pieces < 200; pieces++) {
        CHECK(write_all(play.qemu, piece, sizeof(piece)) == 0);
        turn(&play.loop);
    }
    CHECK(answers == 10);
    say(&play, "\"}\n{\"return\": {}}\n");
    CHECK(answers == 11);
    close_play(&play);
}

static void only_one_whole_object_is_a_command(void) {
    CHECK(json_is_object(span_of("{\"execute\": \"x\", \"arguments\": {\"a\": [\"}\", {}]}}")));
    CHECK(json_is_object(span_of("{}")));
    static const char *const OTHERS[] = {"", "{", "{}}", "{} {}", "[]", "{\"a\": \"}", "{\"a\\\": 1}", "{}\n", "{\n}", "{[}]"};
    for (size_t index = 0; index < sizeof(OTHERS) / sizeof(*OTHERS); index++) {
        CHECK(!json_is_object(span_of(OTHERS[index])));
    }
}

int main(void) {
    only_one_whole_object_is_a_command();
    a_descriptor_goes_with_its_command();
    an_answer_that_is_too_long_is_refused();
    lines_are_told_apart();
    broken_lines_are_nothing();
    a_script_goes_on_when_each_step_is_done();
    an_event_may_come_before_the_answer();
    a_refusal_ends_the_script();
    a_line_without_an_end_costs_little();
    commands_wait_for_each_other();
    return 0;
}
