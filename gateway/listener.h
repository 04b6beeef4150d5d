/* Where connections come in. One socket for all loops; each loop watches it (EPOLLEXCLUSIVE) and accepts for itself. */
#ifndef ATELIER_GATEWAY_LISTENER_H
#define ATELIER_GATEWAY_LISTENER_H

#include <stdbool.h>

#include "base/error.h"
#include "gateway/loop.h"

enum listener_kind {
    LISTENER_MAIN,    /* http */
    LISTENER_TLS,     /* https: the same, encrypted */
    LISTENER_WEBHOOK, /* https: admission only, for the Kubernetes API server */
    LISTENER_CHECK, /* http, or gRPC without TLS: what the main one would decide, for a proxy that asks first (check.c)
                     */
    LISTENER_DOOR,  /* https: the API, for the workloads of one profile, inside its sandbox (door.c) */
    LISTENER_METRICS,
    LISTENER_ADMIN,
    LISTENER_COUNT
};
enum { LISTENER_LOOPS = 4 };

struct gateway;
struct listener {
    enum listener_kind kind;
    int fd;        /* -1: not configured */
    char door[64]; /* the namespace behind a LISTENER_DOOR; else "" */
    char path[108];
    struct {
        struct io io;
        struct timer pause;
        struct listener *listener;
        bool watched;
    } on_loop[LISTENER_LOOPS];
};
/* "127.0.0.1:8080" or "[::1]:8080". EXISTS when the address is in use. */
int listener_bind_tcp(struct listener *listener, const char *address, struct error *error);
/* A socket file that only this user (and root) may use; a stale one is replaced, a live one is EXISTS. */
int listener_bind_unix(struct listener *listener, const char *path, struct error *error);
void listener_watch(struct listener *listener, struct loop *loop);   /* before the loop starts */
void listener_unwatch(struct listener *listener, struct loop *loop); /* on the loop's thread, or after it ended */
void listener_refuse(struct listener *listener); /* from now on connecting fails at once; any thread */
void listener_close(struct listener *listener);
/* Whether the process at the other end of an admin connection is ours: same user, or root. */
bool listener_peer_is_local_admin(int fd);

#endif
