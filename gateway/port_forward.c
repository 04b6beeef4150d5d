/* Which port-forwards into pods go on, and may there be another? */
#include "gateway/port_forward.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/json.h"
#include "base/memory.h"
#include "base/metrics.h"
#include "gateway/port_serve.h"

struct port_forward {
    struct port_forwards *all;
    struct port_forward *next;
    struct port_serve serve;
};
struct port_forwards {
    struct engine *engine;
    pthread_mutex_t lock; /* guards <first>, and the descriptor of each against being closed */
    pthread_cond_t ended;
    struct port_forward *first;
};

static struct metric open_forwards = METRIC_GAUGE("atelier_gateway_port_forwards", "Open port-forwards into pods.");
static struct metric connections =
    METRIC_COUNTER("atelier_gateway_port_forward_connections_total", "Connections made through port-forwards.");

int port_reach(const struct port_serve *serve, uint16_t port, int *ret_fd, struct error *error)
{
    metric_add(&connections, 1);
    return engine_dial_pod(serve->engine, serve->namespace, serve->pod, port, ret_fd, error);
}

static struct port_forward *forward_new(struct port_forwards *all, const char *namespace, const char *pod,
                                        const struct port_list *ports, int fd)
{
    struct port_forward *forward = memory_get(sizeof(*forward));
    forward->all = all;
    forward->serve = (struct port_serve){.engine = all->engine, .fd = fd, .ports = *ports};
    snprintf(forward->serve.namespace, sizeof(forward->serve.namespace), "%s", namespace);
    snprintf(forward->serve.pod, sizeof(forward->serve.pod), "%s", pod);
    return forward;
}

/* Not of the list any more. */
static void forward_free(struct port_forward *forward)
{
    close(forward->serve.fd);
    free(forward);
}

static void *run(void *context)
{
    struct port_forward *forward = context;
    struct port_forwards *all = forward->all;
    if (forward->serve.ports.count > 0)
        port_channels_serve(&forward->serve);
    else
        port_streams_serve(&forward->serve);
    pthread_mutex_lock(&all->lock);
    struct port_forward **at = &all->first;
    while (*at != forward)
        at = &(*at)->next;
    *at = forward->next;
    forward_free(forward);
    metric_add(&open_forwards, -1);
    pthread_cond_broadcast(&all->ended);
    pthread_mutex_unlock(&all->lock);
    return NULL;
}

/* With the lock held. */
static bool is_full(const struct port_forwards *all, const char *namespace)
{
    int64_t count = 0, own = 0;
    for (const struct port_forward *forward = all->first; forward; forward = forward->next) {
        count++;
        own += strcmp(forward->serve.namespace, namespace) == 0;
    }
    return count >= gateway_limits.port_forwards || own >= gateway_limits.tenant_port_forwards;
}

static bool start_thread(struct port_forward *forward)
{
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, 256 << 10);
    bool started = pthread_create(&thread, &attributes, run, forward) == 0;
    pthread_attr_destroy(&attributes);
    return started;
}

/* With the lock held. */
static int start(struct port_forwards *all, const char *namespace, const char *pod, const struct port_list *ports,
                 int *ret_fd, struct error *error)
{
    int ends[2], type = ports->count > 0 ? SOCK_SEQPACKET : SOCK_STREAM;
    if (is_full(all, namespace))
        return error_set(error, ERROR_LIMITED, NULL, "as many port-forwards are open as may be");
    if (socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "no descriptors are left: %s", strerrordesc_np(errno));
    struct port_forward *forward = forward_new(all, namespace, pod, ports, ends[0]);
    if (!start_thread(forward)) {
        forward_free(forward);
        close(ends[1]);
        return error_set(error, ERROR_UNAVAILABLE, NULL, "a thread cannot be started");
    }
    forward->next = all->first;
    all->first = forward;
    metric_add(&open_forwards, 1);
    *ret_fd = ends[1];
    return 0;
}

int port_forward_open(struct port_forwards *all, const char *namespace, const char *pod, const struct port_list *ports,
                      int *ret_fd, struct error *error)
{
    AUTO_JSON cJSON *object = NULL;
    int r = engine_get(all->engine, KIND_POD, namespace, pod, &object, error);
    if (r < 0)
        return r;
    if (strcmp(json_text_or("", object, "status", "phase", NULL), "Running") != 0)
        return error_set(error, ERROR_CONFLICT, NULL, "pod %s does not run", pod);
    pthread_mutex_lock(&all->lock);
    r = start(all, namespace, pod, ports, ret_fd, error);
    pthread_mutex_unlock(&all->lock);
    return r;
}

struct port_forwards *port_forwards_new(struct engine *engine)
{
    struct port_forwards *all = memory_get(sizeof(*all));
    all->engine = engine;
    pthread_mutex_init(&all->lock, NULL);
    pthread_cond_init(&all->ended, NULL);
    return all;
}

void port_forwards_free(struct port_forwards *all)
{
    if (!all)
        return;
    pthread_mutex_lock(&all->lock);
    for (struct port_forward *forward = all->first; forward; forward = forward->next)
        shutdown(forward->serve.fd, SHUT_RDWR);
    while (all->first)
        pthread_cond_wait(&all->ended, &all->lock);
    pthread_mutex_unlock(&all->lock);
    pthread_cond_destroy(&all->ended);
    pthread_mutex_destroy(&all->lock);
    free(all);
}
