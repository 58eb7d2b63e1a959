/* What an OCI runtime tells of its failures: a JSON object per line in the file that --log names. */
#ifndef BERTH_VM_RUNTIME_LOG_H
#define BERTH_VM_RUNTIME_LOG_H

/* The log's descriptor; standard error without a path, and where it cannot be opened. */
int runtime_log_open(const char *path);

/* `level` is "error" or "warning". */
void runtime_log(int log, const char *level, const char *message);

#endif
