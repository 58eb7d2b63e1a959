/* Serves file operations in a root over a framed socket. */
#ifndef BERTH_FS_SERVE_H
#define BERTH_FS_SERVE_H

/* Serves the first connection that `listener` accepts until it closes. Returns the program's exit code. */
int serve(int root, int listener);

/* Serves one connection, with one request at a time, until it closes. */
void serve_connection(int root, int connection);

#endif
