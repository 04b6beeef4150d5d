/*
 * What is open by somebody's leave: proxied requests, WebSockets, tunnels, streams. Whenever the policy changes, and
 * every few seconds for credentials that expire by themselves, each is decided again and ended if it is no longer
 * allowed. Threads: the loop that owns the connection.
 */
#ifndef ATELIER_GATEWAY_PERMIT_H
#define ATELIER_GATEWAY_PERMIT_H

#include "gateway/loop.h"

/* An application that anybody may use: who it is does not count, only whether it is still open. */
struct opening {
    enum route_kind kind;          /* ROUTE_SERVE or ROUTE_SERVE_GRPC */
    char namespace[64], name[64];  /* as in /serve/{namespace}/{name} */
    char prefix[TARGET_OPEN_SIZE]; /* target.open; "": the policy decides */
};
/* What the access does not say by itself: which application of Ray Serve is asked (struct access). */
struct asking {
    char uid[64], service_uid[64]; /* "": none */
    char path[PREFIX_PATH_SIZE];   /* as much of it as tells */
    bool serve;                    /* the path is known */
};
struct permit {
    struct link link;
    struct identity identity;
    struct access access; /* its texts live as long as the permit is open; without what <asking> says */
    struct asking asking;
    bool decide; /* false: only the credential is looked at */
    struct opening opening;
    bool in_part; /* every item is decided by itself: it goes on while any may be seen */
    void (*revoked)(struct permit *permit);
};
/* What the policy is asked. It lives as long as <permit> stays where it is. */
struct access permit_access(const struct permit *permit);
void permit_open(struct loop *loop, struct permit *permit);
void permit_close(struct permit *permit); /* fine when it is not open */
void permits_review(struct loop *loop);

/* Has every loop review its permits soon; any thread. */
void gateway_review(struct gateway *gateway);

#endif
