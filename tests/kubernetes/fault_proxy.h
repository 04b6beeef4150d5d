/*
 * A TCP proxy on 127.0.0.1 in front of the API server that a test can make fail: connections freeze (bytes are taken
 * and go nowhere, as behind a load balancer that lost its way), are refused, or break after so many bytes. TLS and
 * HTTP/2 pass through it untouched.
 */
#ifndef ATELIER_TESTS_FAULT_PROXY_H
#define ATELIER_TESTS_FAULT_PROXY_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"

#define PROXY_PIPES_MAX 64
#define PROXY_TICK_MS 20

struct proxy_pipe {
    int near, far; /* -1: free */
    bool frozen;
    size_t answered; /* bytes from the server */
};
struct fault_proxy {
    int listener;
    uint16_t port, target;
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    bool stop, refuse;
    size_t answer_max; /* a connection breaks after so many bytes from the server; 0: never */
    unsigned accepted;
    size_t swallowed; /* bytes, by frozen connections */
    struct proxy_pipe pipes[PROXY_PIPES_MAX];
};

static void pipe_close(struct proxy_pipe *pipe)
{
    if (pipe->near < 0)
        return;
    close(pipe->near);
    close(pipe->far);
    pipe->near = pipe->far = -1;
}

static int proxy_dial(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static void proxy_accept(struct fault_proxy *proxy)
{
    int near = accept4(proxy->listener, NULL, NULL, SOCK_CLOEXEC);
    if (near < 0)
        return;
    int far = proxy->refuse ? -1 : proxy_dial(proxy->target);
    for (size_t i = 0; far >= 0 && i < PROXY_PIPES_MAX; i++)
        if (proxy->pipes[i].near < 0) {
            proxy->pipes[i] = (struct proxy_pipe){.near = near, .far = far};
            proxy->accepted++;
            return;
        }
    close(near);
    if (far >= 0)
        close(far);
}

static void proxy_move(struct fault_proxy *proxy, struct proxy_pipe *pipe, bool answer)
{
    char bytes[16384];
    ssize_t n = recv(answer ? pipe->far : pipe->near, bytes, sizeof(bytes), 0);
    if (n > 0 && pipe->frozen) {
        proxy->swallowed += (size_t)n;
        return;
    }
    if (n > 0 && answer)
        pipe->answered += (size_t)n;
    bool cut = proxy->answer_max && pipe->answered > proxy->answer_max;
    if (n <= 0 || cut || send(answer ? pipe->near : pipe->far, bytes, (size_t)n, MSG_NOSIGNAL) != n)
        pipe_close(pipe);
}

static void proxy_round(struct fault_proxy *proxy)
{
    struct pollfd polls[1 + 2 * PROXY_PIPES_MAX] = {{.fd = proxy->listener, .events = POLLIN}};
    for (size_t i = 0; i < PROXY_PIPES_MAX; i++) {
        polls[1 + 2 * i] = (struct pollfd){.fd = proxy->pipes[i].near, .events = POLLIN};
        polls[2 + 2 * i] = (struct pollfd){.fd = proxy->pipes[i].far, .events = POLLIN};
    }
    pthread_mutex_unlock(&proxy->lock);
    (void)poll(polls, COUNT_OF(polls), PROXY_TICK_MS);
    pthread_mutex_lock(&proxy->lock);
    for (size_t i = 0; i < PROXY_PIPES_MAX; i++)
        for (size_t end = 0; end < 2; end++) {
            struct proxy_pipe *pipe = &proxy->pipes[i];
            if (polls[1 + 2 * i + end].revents && polls[1 + 2 * i + end].fd == (end ? pipe->far : pipe->near))
                proxy_move(proxy, pipe, end == 1);
        }
    if (polls[0].revents)
        proxy_accept(proxy);
}

static void *proxy_run(void *context)
{
    struct fault_proxy *proxy = context;
    pthread_mutex_lock(&proxy->lock);
    while (!proxy->stop)
        proxy_round(proxy);
    pthread_mutex_unlock(&proxy->lock);
    return NULL;
}

/* In front of 127.0.0.1:<target>. False if there is no port to be had. */
static bool proxy_start(struct fault_proxy *proxy, uint16_t target)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(address);
    *proxy = (struct fault_proxy){.target = target, .listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    for (size_t i = 0; i < PROXY_PIPES_MAX; i++)
        proxy->pipes[i].near = proxy->pipes[i].far = -1;
    if (proxy->listener < 0 || bind(proxy->listener, (struct sockaddr *)&address, size) < 0 ||
        listen(proxy->listener, 64) < 0 || getsockname(proxy->listener, (struct sockaddr *)&address, &size) < 0)
        return false;
    proxy->port = ntohs(address.sin_port);
    pthread_mutex_init(&proxy->lock, NULL);
    return pthread_create(&proxy->thread, NULL, proxy_run, proxy) == 0;
}

static void proxy_stop(struct fault_proxy *proxy)
{
    pthread_mutex_lock(&proxy->lock);
    proxy->stop = true;
    pthread_mutex_unlock(&proxy->lock);
    pthread_join(proxy->thread, NULL);
    for (size_t i = 0; i < PROXY_PIPES_MAX; i++)
        pipe_close(&proxy->pipes[i]);
    close(proxy->listener);
    pthread_mutex_destroy(&proxy->lock);
}

/* Not every test needs each fault. */
#define FAULT __attribute__((unused)) static

/* What is connected now stays so and hears nothing any more; later connections work. How many were frozen. */
FAULT unsigned proxy_freeze(struct fault_proxy *proxy)
{
    unsigned count = 0;
    pthread_mutex_lock(&proxy->lock);
    for (size_t i = 0; i < PROXY_PIPES_MAX; i++)
        if (proxy->pipes[i].near >= 0 && !proxy->pipes[i].frozen) {
            proxy->pipes[i].frozen = true;
            count++;
        }
    pthread_mutex_unlock(&proxy->lock);
    return count;
}

/* What frozen connections have taken in since proxy_start. */
FAULT size_t proxy_swallowed(struct fault_proxy *proxy)
{
    pthread_mutex_lock(&proxy->lock);
    size_t swallowed = proxy->swallowed;
    pthread_mutex_unlock(&proxy->lock);
    return swallowed;
}

/* Ends every connection; <refuse>: and takes no other. <answer_max>: see above. */
FAULT void proxy_break(struct fault_proxy *proxy, bool refuse, size_t answer_max)
{
    pthread_mutex_lock(&proxy->lock);
    proxy->refuse = refuse;
    proxy->answer_max = answer_max;
    for (size_t i = 0; i < PROXY_PIPES_MAX; i++)
        pipe_close(&proxy->pipes[i]);
    pthread_mutex_unlock(&proxy->lock);
}

#endif
