#include "console.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static void on_said(struct pump *pump, const uint8_t *data, size_t length) {
    words_add(container_of(pump, struct console, output)->last, data, length);
}

static void say_parting(struct console *console) {
    size_t length = strlen(console->parting);
    void (*finished)(struct console *console) = console->finished;
    if (length > 0) {
        char text[sizeof(console->parting)];
        memcpy(text, console->parting, length);
        console->parting[0] = 0;
        pump_add(&console->output, text, length); /* comes back here when it is taken */
    } else if (finished) {
        console->finished = NULL;
        finished(console);
    }
}

static void on_output_ended(struct pump *pump) {
    struct console *console = container_of(pump, struct console, output);
    console->has_ended = true;
    if (console->is_finishing) say_parting(console);
}

/* A console that nobody writes to any more is one that nobody types at. */
static void on_input_ended(struct pump *pump) {
    (void)pump;
}

/* Its end is seen where it is read. */
static void on_input_refused(struct pump *pump) {
    pump_close(pump);
}

static const struct pump_events OUTPUT_EVENTS = {.came = on_said, .ended = on_output_ended};
static const struct pump_events INPUT_EVENTS = {.ended = on_input_ended, .refused = on_input_refused};

static int copy(int fd) {
    return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

int console_open(struct console *console, struct loop *loop, int port, int in, int out, struct words *last) {
    *console = (struct console){.last = last};
    pump_open(&console->output, loop, port, copy(out), &OUTPUT_EVENTS);
    pump_open(&console->input, loop, copy(in), copy(port), &INPUT_EVENTS);
    return console->output.from.fd >= 0 && console->output.to.fd >= 0 && console->input.to.fd >= 0 ? 0 : -1;
}

void console_finish(struct console *console, const char *parting, void (*finished)(struct console *console)) {
    pump_close(&console->input);
    snprintf(console->parting, sizeof(console->parting), "%s", parting);
    console->finished = finished;
    console->is_finishing = true;
    if (console->has_ended) say_parting(console);
}

void console_close(struct console *console) {
    pump_close(&console->input);
    pump_close(&console->output);
}
