/*
 * Ports for what a test starts a moment later: as tests/e2e/ports.py, below where the kernel takes those of outgoing
 * connections, and no other test's as long as this process runs.
 */
#ifndef ATELIER_TESTS_PORTS_H
#define ATELIER_TESTS_PORTS_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/random.h"

enum { PORT_FIRST = 12000, PORT_LAST = 19999 };

/* True if nobody else has its name, which this process then keeps, and nobody listens on it. */
static inline bool port_claim(uint16_t port)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int length = snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "atelier-test-port-%u", port);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int claim = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(probe, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    bool good = bind(claim, (const struct sockaddr *)&name, size) == 0 &&
                bind(probe, (const struct sockaddr *)&address, sizeof(address)) == 0;
    close(probe);
    if (!good)
        close(claim);
    return good;
}

static inline uint16_t free_port(void)
{
    uint16_t port;
    do {
        random_bytes(&port, sizeof(port));
        port = (uint16_t)(PORT_FIRST + port % (PORT_LAST - PORT_FIRST + 1));
    } while (!port_claim(port));
    return port;
}

#endif
