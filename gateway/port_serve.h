/*
 * One port-forward, for the thread that serves it. For the files of this room: port_forward.c starts and ends them,
 * port_streams.c speaks SPDY, port_channels.c v4.channel.k8s.io (port_forward.h).
 */
#ifndef ATELIER_GATEWAY_PORT_SERVE_H
#define ATELIER_GATEWAY_PORT_SERVE_H

#include "gateway/port_forward.h"

struct port_serve {
    struct engine *engine;
    char namespace[64], pod[254];
    int fd; /* the client's; not to be closed */
    struct port_list ports;
};
/* A connection to a port of the pod (engine_dial_pod), counted. */
int port_reach(const struct port_serve *serve, uint16_t port, int *ret_fd, struct error *error);

/* Both return when it is over: the client is gone or is not understood, or nothing is left to be said. */
void port_streams_serve(const struct port_serve *serve);
void port_channels_serve(const struct port_serve *serve);

#endif
