/* The console of a computer, and the way to its agent, with a QEMU and readers that we play. */
#include "vm/console.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/io.h"
#include "testing/check.h"
#include "turn.h"
#include "vm/agent-port.h"

static void open_pair(int ends[2]) {
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
}

/* ---- the console ---- */

struct play {
    struct loop loop;
    struct words last;
    struct console console;
    int qemu;
    int typing;  /* what is written there, comes to the console */
    int reading; /* what the console says */
};

static int finished;

static void on_finished(struct console *console) {
    (void)console;
    finished++;
}

static void open_play(struct play *play) {
    int port[2];
    int in[2];
    int out[2];
    *play = (struct play){0};
    finished = 0;
    CHECK(loop_open(&play->loop) == 0);
    open_pair(port);
    CHECK(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC | O_NONBLOCK) == 0);
    CHECK(console_open(&play->console, &play->loop, port[0], in[0], out[1], &play->last) == 0);
    close(in[0]);
    close(out[1]);
    play->qemu = port[1];
    play->typing = in[1];
    play->reading = out[0];
}

static void close_play(struct play *play) {
    console_close(&play->console);
    close_fd(&play->qemu);
    close_fd(&play->typing);
    close_fd(&play->reading);
    close(play->loop.epoll);
}

static void check_heard(int fd, const char *words) {
    char text[256];
    ssize_t count = read(fd, text, sizeof(text));
    CHECK(count == (ssize_t)strlen(words) && memcmp(text, words, (size_t)count) == 0);
}

static void a_console_is_joined_both_ways(void) {
    struct play play;
    char words[32];
    open_play(&play);
    CHECK(write(play.qemu, "login: ", 7) == 7 && write(play.typing, "root", 4) == 4);
    turn(&play.loop);
    check_heard(play.reading, "login: ");
    check_heard(play.qemu, "root");
    words_text(&play.last, words, sizeof(words));
    CHECK(strcmp(words, "login: ") == 0);
    close_play(&play);
}

/* As much as fits is under way; the rest stays with QEMU, which makes its guest wait. */
static void a_reader_that_does_not_read_makes_the_guest_wait(void) {
    struct play play;
    char flood[4096];
    size_t said = 0;
    size_t heard = 0;
    ssize_t count;
    memset(flood, 'f', sizeof(flood));
    open_play(&play);
    while ((count = write(play.qemu, flood, sizeof(flood))) > 0) {
        said += (size_t)count;
        turn(&play.loop);
        CHECK(play.console.output.pending.capacity <= 64 * 1024 && said < 4 * 1024 * 1024);
    }
    CHECK(write(play.typing, "still", 5) == 5);
    turn(&play.loop);
    check_heard(play.qemu, "still");
    while ((count = read(play.reading, flood, sizeof(flood))) > 0) {
        heard += (size_t)count;
        turn(&play.loop);
    }
    CHECK(heard == said);
    close_play(&play);
}

static void what_was_said_comes_before_the_parting(void) {
    struct play play;
    open_play(&play);
    CHECK(write(play.qemu, "last words", 10) == 10);
    close_fd(&play.qemu);
    console_finish(&play.console, "\nberth: it has ended\n", on_finished);
    CHECK(finished == 0);
    turn(&play.loop);
    CHECK(finished == 1);
    check_heard(play.reading, "last words\nberth: it has ended\n");
    close_play(&play);
}

static void a_console_that_nobody_reads_ends_all_the_same(void) {
    struct play play;
    open_play(&play);
    close_fd(&play.reading);
    CHECK(write(play.qemu, "to nobody", 9) == 9);
    turn(&play.loop);
    CHECK(write(play.qemu, "to nobody", 9) == 9);
    close_fd(&play.qemu);
    turn(&play.loop);
    console_finish(&play.console, "parting", on_finished);
    turn(&play.loop);
    CHECK(finished == 1);
    close_play(&play);
}

/* ---- the agent's port ---- */

static struct {
    int clients[2];
    int count; /* of those that wait */
} waiting;

static void on_free(struct agent_port *port) {
    CHECK(!port->is_taken && waiting.count > 0);
    int client = waiting.clients[0];
    waiting.clients[0] = waiting.clients[1];
    waiting.count--;
    CHECK(agent_port_take(port, client));
    if (waiting.count > 0) agent_port_await(port);
}

static int await_port(struct agent_port *port) {
    int ends[2];
    open_pair(ends);
    waiting.clients[waiting.count++] = ends[0];
    agent_port_await(port);
    return ends[1];
}

static void an_agent_is_lent_to_one_after_the_other(void) {
    struct loop loop;
    struct agent_port port;
    int ends[2];
    CHECK(loop_open(&loop) == 0);
    open_pair(ends);
    CHECK(agent_port_open(&port, &loop, ends[0], on_free) == 0);
    CHECK(write(ends[1], "to nobody", 9) == 9);
    turn(&loop);
    AUTO_CLOSE first = await_port(&port);
    AUTO_CLOSE second = await_port(&port);
    turn(&loop);
    CHECK(port.is_taken && waiting.count == 1);
    CHECK(write(first, "one", 3) == 3 && write(second, "two", 3) == 3);
    turn(&loop);
    check_heard(ends[1], "one");
    CHECK(write(ends[1], "answer", 6) == 6);
    turn(&loop);
    check_heard(first, "answer");
    close_fd(&first);
    turn(&loop);
    CHECK(port.is_taken && waiting.count == 0);
    check_heard(ends[1], "two");
    close_fd(&second);
    turn(&loop);
    CHECK(!port.is_taken);
    close(ends[1]); /* QEMU ends */
    turn(&loop);
    CHECK(port.port.fd < 0);
    agent_port_close(&port);
    close(loop.epoll);
}

int main(void) {
    signal(SIGPIPE, SIG_IGN); /* a monitor takes no signal as it comes */
    a_console_is_joined_both_ways();
    a_reader_that_does_not_read_makes_the_guest_wait();
    what_was_said_comes_before_the_parting();
    a_console_that_nobody_reads_ends_all_the_same();
    an_agent_is_lent_to_one_after_the_other();
    return 0;
}
