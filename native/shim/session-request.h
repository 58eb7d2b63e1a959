/* What a client asks of its session: to be attached, to start an exec, to signal, to pass input on. */
#ifndef BERTH_SESSION_REQUEST_H
#define BERTH_SESSION_REQUEST_H

struct failure;
struct frame;
struct session;

/* Answers a request, now or when it is done. Returns -1 for one that is refused; `why` says the reason. */
int session_request(struct session *session, const struct frame *frame, struct failure *why);

#endif
