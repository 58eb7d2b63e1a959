#include "runtime-log.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/io.h"

#define LINE_MAX_BYTES 4096

int runtime_log_open(const char *path) {
    int log = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
    return log >= 0 ? log : fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
}

/* Room for the longest escape is the caller's. */
static size_t escape(unsigned char byte, char *into) {
    if (byte == '"' || byte == '\\') {
        into[0] = '\\';
        into[1] = (char)byte;
        return 2;
    }
    if (byte < ' ') return (size_t)sprintf(into, "\\u%04x", byte);
    into[0] = (char)byte;
    return 1;
}

void runtime_log(int log, const char *level, const char *message) {
    char line[LINE_MAX_BYTES];
    size_t used = (size_t)snprintf(line, sizeof(line), "{\"level\":\"%s\",\"msg\":\"", level);
    for (const char *at = message; *at && used < sizeof(line) - 16; at++) used += escape((unsigned char)*at, line + used);
    memcpy(line + used, "\"}\n", 3);
    if (write_all(log, line, used + 3) < 0) return; /* nobody is left to tell */
}
