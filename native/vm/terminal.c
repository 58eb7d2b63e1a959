#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "common/io.h"
#include "pass-descriptors.h"

static int open_peer(int master) {
    int unlocked = 0;
    if (ioctl(master, TIOCSPTLCK, &unlocked) < 0) return -1;
    return ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
}

static int make_raw(int terminal) {
    struct termios settings;
    if (tcgetattr(terminal, &settings) < 0) return -1;
    cfmakeraw(&settings);
    return tcsetattr(terminal, TCSANOW, &settings);
}

static int send_master(const char *path, int master, struct failure *why) {
    static const char name[] = "/dev/ptmx";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address.sun_path)) return fail(why, FAILURE_INVALID, "the path %s is too long", path);
    strcpy(address.sun_path, path);
    AUTO_CLOSE connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection < 0 || connect(connection, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        send_with_descriptors(connection, name, sizeof(name) - 1, &master, 1) < 0) {
        return fail_errno(why, "the console socket %s", path);
    }
    return 0;
}

int terminal_open(const char *console_socket, struct failure *why) {
    AUTO_CLOSE master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
    AUTO_CLOSE terminal = master < 0 ? -1 : open_peer(master);
    if (terminal < 0 || make_raw(terminal) < 0) return fail_errno(why, "no terminal");
    if (ioctl(terminal, TIOCSCTTY, 0) < 0) return fail_errno(why, "the controlling terminal");
    if (send_master(console_socket, master, why) < 0) return -1;
    return take_fd(&terminal);
}

int terminal_size(int terminal, uint16_t *rows, uint16_t *columns) {
    struct winsize size;
    if (ioctl(terminal, TIOCGWINSZ, &size) < 0 || size.ws_row == 0) return -1;
    *rows = size.ws_row;
    *columns = size.ws_col;
    return 0;
}
