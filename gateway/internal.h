/* What one gateway is made of; for the files of this room. */
#ifndef ATELIER_GATEWAY_INTERNAL_H
#define ATELIER_GATEWAY_INTERNAL_H

#include <stdatomic.h>

#include "base/metrics.h"
#include "gateway/crew.h"
#include "gateway/gateway.h"
#include "gateway/listener.h"
#include "gateway/loop.h"
#include "gateway/resource.h"
#include "gateway/tls.h"

enum { LOOPS_MAX = 4 };

struct gateway {
    struct gateway_options options; /* texts are copies of ours */
    struct loop loops[LOOPS_MAX];
    unsigned loop_count;
    struct listener listeners[LISTENER_COUNT];
    struct tls_server *tls[LISTENER_COUNT]; /* of those that speak it */
    struct crew *dialers, *workers;
    struct resource_table *resources;
    int64_t connections_max;
    _Atomic int64_t connections, body_bytes;
    _Atomic bool review_due[LOOPS_MAX]; /* a review message is on its way to that loop */
    struct message review_messages[LOOPS_MAX];
    struct tls_identity *tls_identity; /* that https presented first: its authority does not change */
    char tls_stamp[160];               /* of the given files, to see changes */
    unsigned https_port;
    bool https_redirect;
    bool started, stopped;
};

/* tls_listeners.c: binds those that are asked for and prepares what they present; then lets go of that. */
int tls_listeners_open(struct gateway *gateway, struct error *error);
void tls_listeners_close(struct gateway *gateway);

#endif
