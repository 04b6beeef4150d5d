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

enum { LOOPS_MAX = 4 };

struct gateway {
    struct gateway_options options; /* texts are copies of ours */
    struct loop loops[LOOPS_MAX];
    unsigned loop_count;
    struct listener listeners[LISTENER_COUNT];
    struct crew *dialers, *workers;
    struct resource_table *resources;
    int64_t connections_max;
    _Atomic int64_t connections, body_bytes;
    _Atomic bool review_due[LOOPS_MAX]; /* a review message is on its way to that loop */
    struct message review_messages[LOOPS_MAX];
    bool started, stopped;
};

#endif
