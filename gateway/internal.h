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
    struct crew *admitters; /* the webhook's own: workers may wait for the cluster, which waits for it */
    struct resource_table *resources;
    struct port_forwards *port_forwards;
    int64_t connections_max;
    _Atomic int64_t connections, body_bytes;
    _Atomic bool review_due[LOOPS_MAX]; /* a review message is on its way to that loop */
    struct message review_messages[LOOPS_MAX];
    struct tls_identity *tls_identity; /* that https presented first: its authority does not change */
    char tls_stamp[160];               /* of the given files, to see changes */
    unsigned https_port;
    bool https_redirect;
    struct tls_identity *door_identity; /* what doors present; NULL without doors */
    struct door *doors;                 /* guarded by doors_lock */
    pthread_mutex_t doors_lock;
    bool started, stopped;
};

/* tls_listeners.c: binds those that are asked for and prepares what they present; then lets go of that. */
int tls_listeners_open(struct gateway *gateway, struct error *error);
void tls_listeners_close(struct gateway *gateway);

/* door.c */
int gateway_doors_prepare(struct gateway *gateway, struct error *error);
void gateway_doors_unwatch(struct loop *loop);      /* on the loop's thread: no new connections */
void gateway_doors_refuse(struct gateway *gateway); /* any thread: from now on connecting fails */
void gateway_doors_free(struct gateway *gateway);   /* after the loops have ended */

#endif
