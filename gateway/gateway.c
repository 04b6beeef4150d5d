/* How does the gateway start, follow the policy, and stop? */
#include "gateway/internal.h"

#include <pthread.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/log.h"
#include "gateway/connection.h"
#include "gateway/exchange.h"
#include "gateway/forward.h"
#include "gateway/grpc.h"
#include "gateway/permit.h"
#include "gateway/port_forward.h"
#include "gateway/upstream.h"

/* --- following the policy ----------------------------------------------------------------------------------------- */

/*
 * Auth keeps its listeners for life, a gateway does not live that long: what auth holds is one of these, which outlives
 * both. The mutex guards `gateway`.
 */
static struct bell {
    pthread_mutex_t lock;
    struct gateway *gateway;
    bool used;
} bells[64];
static pthread_mutex_t bells_lock = PTHREAD_MUTEX_INITIALIZER;

static void on_policy_change(void *context)
{
    struct bell *bell = context;
    pthread_mutex_lock(&bell->lock);
    if (bell->gateway)
        gateway_review(bell->gateway);
    pthread_mutex_unlock(&bell->lock);
}

static bool bell_hang(struct gateway *gateway)
{
    struct bell *bell = NULL;
    pthread_mutex_lock(&bells_lock);
    for (size_t i = 0; i < COUNT_OF(bells) && !bell; i++)
        if (!bells[i].used)
            bell = &bells[i];
    if (bell) {
        bell->used = true;
        pthread_mutex_init(&bell->lock, NULL);
        bell->gateway = gateway;
    }
    pthread_mutex_unlock(&bells_lock);
    if (bell)
        auth_on_change(gateway->options.auth, on_policy_change, bell);
    return bell != NULL;
}

static void bell_unhang(struct gateway *gateway)
{
    for (size_t i = 0; i < COUNT_OF(bells); i++) {
        pthread_mutex_lock(&bells_lock);
        bool used = bells[i].used;
        pthread_mutex_unlock(&bells_lock);
        if (!used)
            continue;
        pthread_mutex_lock(&bells[i].lock);
        if (bells[i].gateway == gateway)
            bells[i].gateway = NULL;
        pthread_mutex_unlock(&bells[i].lock);
    }
}

static void run_review(struct loop *loop, struct message *message)
{
    (void)message;
    /* Cleared first: a change from here on posts again. */
    atomic_store(&loop->gateway->review_due[loop->number], false);
    permits_review(loop);
}

void gateway_review(struct gateway *gateway)
{
    for (unsigned i = 0; i < gateway->loop_count; i++)
        if (!atomic_exchange(&gateway->review_due[i], true))
            loop_post(&gateway->loops[i], &gateway->review_messages[i]);
}

/* Credentials and grants that expire do so without anybody's notice. */
static void on_sweep(struct timer *timer)
{
    struct loop *loop = OWNER_OF(timer, struct loop, sweep);
    permits_review(loop);
    upstreams_expire(loop);
    timer_set(loop, &loop->sweep, gateway_limits.sweep_ms);
}

/* --- starting ----------------------------------------------------------------------------------------------------- */

static int64_t connections_max(void)
{
    /* A proxied connection takes two descriptors, and the rest of the process needs some too. */
    struct rlimit files;
    int64_t most = gateway_limits.connections;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur != RLIM_INFINITY) {
        int64_t third = (int64_t)(files.rlim_cur / 3);
        most = third < most ? third : most;
    }
    return most > 8 ? most : 8;
}

static unsigned default_loops(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : cores > LOOPS_MAX ? LOOPS_MAX : (unsigned)cores;
}

static struct gateway_tls copy_tls(const struct gateway_tls *tls)
{
    return (struct gateway_tls){.listen = memory_text(tls->listen ? tls->listen : ""),
                                .certificate_file = memory_text(tls->certificate_file ? tls->certificate_file : ""),
                                .key_file = memory_text(tls->key_file ? tls->key_file : ""),
                                .directory = memory_text(tls->directory ? tls->directory : ""),
                                .redirect = tls->redirect,
                                .outside = tls->outside};
}

static void free_options(const struct gateway_options *options)
{
    const char *texts[] = {options->listen,         options->metrics_listen,       options->admin_socket,
                           options->base_domain,    options->webhook_listen,       options->tls.listen,
                           options->tls.key_file,   options->tls.certificate_file, options->tls.directory,
                           options->door_directory, options->webhook_client_ca,    options->check_listen};
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        free((char *)(uintptr_t)texts[i]);
}

static void copy_options(struct gateway *gateway, const struct gateway_options *options)
{
    gateway->options = *options;
    gateway->options.listen = memory_text(options->listen);
    gateway->options.metrics_listen = memory_text(options->metrics_listen ? options->metrics_listen : "");
    gateway->options.webhook_listen = memory_text(options->webhook_listen ? options->webhook_listen : "");
    gateway->options.check_listen = memory_text(options->check_listen ? options->check_listen : "");
    gateway->options.webhook_client_ca = memory_text(options->webhook_client_ca ? options->webhook_client_ca : "");
    gateway->options.tls = copy_tls(&options->tls);
    gateway->options.admin_socket = memory_text(options->admin_socket ? options->admin_socket : "");
    gateway->options.base_domain = memory_text(options->base_domain);
    gateway->options.door_directory = memory_text(options->door_directory ? options->door_directory : "");
    gateway->loop_count = options->loops > 0 ? options->loops : default_loops();
    if (gateway->loop_count > LOOPS_MAX)
        gateway->loop_count = LOOPS_MAX;
    if (gateway->options.workers == 0)
        gateway->options.workers = 8;
}

static int bind_all(struct gateway *gateway, struct error *error)
{
    const struct gateway_options *options = &gateway->options;
    for (size_t i = 0; i < LISTENER_COUNT; i++)
        gateway->listeners[i] = (struct listener){.kind = (enum listener_kind)i, .fd = -1};
    int result = listener_bind_tcp(&gateway->listeners[LISTENER_MAIN], options->listen, error);
    if (result == 0)
        result = tls_listeners_open(gateway, error);
    if (result == 0)
        result = gateway_doors_prepare(gateway, error);
    if (result == 0 && options->metrics_listen[0])
        result = listener_bind_tcp(&gateway->listeners[LISTENER_METRICS], options->metrics_listen, error);
    if (result == 0 && options->check_listen[0])
        result = listener_bind_tcp(&gateway->listeners[LISTENER_CHECK], options->check_listen, error);
    if (result == 0 && options->admin_socket[0])
        result = listener_bind_unix(&gateway->listeners[LISTENER_ADMIN], options->admin_socket, error);
    return result;
}

static int make_parts(struct gateway *gateway, struct error *error)
{
    unsigned workers = gateway->options.workers;
    int result = bind_all(gateway, error);
    for (unsigned i = 0; i < gateway->loop_count && result == 0; i++) {
        result = loop_init(&gateway->loops[i], gateway, i, error);
        gateway->loops[i].sweep.fire = on_sweep;
        gateway->review_messages[i].run = run_review;
    }
    if (result == 0)
        result = crew_new("dial", (unsigned)gateway_limits.dial_threads, (size_t)gateway_limits.dials_waiting,
                          (unsigned)gateway_limits.tenant_dials, &gateway->dialers, error);
    /* One person may keep half of the workers busy, so that the others' requests still move. */
    if (result == 0)
        result = crew_new("api", workers, (size_t)gateway_limits.api_waiting, workers > 1 ? (workers + 1) / 2 : 1,
                          &gateway->workers, error);
    if (result == 0 && gateway->options.webhook_listen[0])
        result = crew_new("admit", (unsigned)gateway_limits.admit_threads, (size_t)gateway_limits.admissions_waiting, 1,
                          &gateway->admitters, error);
    if (result == 0 && !bell_hang(gateway))
        result = error_set(error, ERROR_INTERNAL, NULL, "more than %zu gateways in one process", COUNT_OF(bells));
    return result;
}

int gateway_new(const struct gateway_options *options, struct gateway **ret, struct error *error)
{
    struct gateway *gateway = memory_get(sizeof(*gateway));
    copy_options(gateway, options);
    gateway->connections_max = connections_max();
    gateway->resources = resource_table_new();
    gateway->port_forwards = port_forwards_new(gateway->options.engine);
    pthread_mutex_init(&gateway->doors_lock, NULL);
    for (unsigned i = 0; i < LOOPS_MAX; i++)
        gateway->loops[i].epoll = gateway->loops[i].event = -1;
    int result = make_parts(gateway, error);
    if (result < 0) {
        gateway_free(gateway);
        return result;
    }
    *ret = gateway;
    return 0;
}

void gateway_start(struct gateway *gateway)
{
    struct error error = {0};
    for (unsigned i = 0; i < gateway->loop_count; i++) {
        struct loop *loop = &gateway->loops[i];
        timer_set(loop, &loop->sweep, gateway_limits.sweep_ms);
        for (size_t j = 0; j < LISTENER_COUNT; j++)
            if (gateway->listeners[j].fd >= 0)
                listener_watch(&gateway->listeners[j], loop);
        if (loop_start(loop, &error) < 0) {
            log_line(LOG_ERROR, "the gateway cannot start", LOG_FAULT(&error));
            abort();
        }
    }
    gateway->started = true;
}

/* --- stopping ----------------------------------------------------------------------------------------------------- */

struct drain_message {
    struct message message;
    bool last;
};

static void close_listeners(struct loop *loop)
{
    for (size_t i = 0; i < LISTENER_COUNT; i++)
        if (loop->gateway->listeners[i].fd >= 0)
            listener_unwatch(&loop->gateway->listeners[i], loop);
    gateway_doors_unwatch(loop);
}

/* First: no new connections, idle ones go, answers under way are the last of theirs. At last: everything goes. */
static void run_drain(struct loop *loop, struct message *message)
{
    bool last = OWNER_OF(message, struct drain_message, message)->last;
    loop->draining = true;
    close_listeners(loop);
    upstreams_close_idle(loop);
    for (struct link *link = loop->connections.next, *next; link != &loop->connections; link = next) {
        struct connection *connection = OWNER_OF(link, struct connection, all);
        next = link->next;
        if (last)
            forward_go_away(connection);
        if (last || connection->idle.next)
            connection_close(connection, CLOSE_DRAINED);
        else
            grpc_go_away(connection);
    }
}

static void drain(struct gateway *gateway, struct drain_message *messages, bool last)
{
    for (unsigned i = 0; i < gateway->loop_count; i++) {
        messages[i] = (struct drain_message){.message.run = run_drain, .last = last};
        loop_post(&gateway->loops[i], &messages[i].message);
    }
}

void gateway_stop(struct gateway *gateway, int64_t drain_ms)
{
    struct drain_message first[LOOPS_MAX], last[LOOPS_MAX];
    if (!gateway->started || gateway->stopped)
        return;
    gateway->stopped = true;
    int64_t until = clock_monotonic_ms() + drain_ms;
    drain(gateway, first, false);
    for (size_t i = 0; i < LISTENER_COUNT; i++)
        listener_refuse(&gateway->listeners[i]);
    gateway_doors_refuse(gateway);
    while (clock_monotonic_ms() < until && atomic_load(&gateway->connections) > 0)
        clock_sleep_ms(10);
    drain(gateway, last, true);
    /* Jobs under way end now; what they answer finds its connection gone. */
    crew_stop(gateway->workers);
    crew_stop(gateway->dialers);
    if (gateway->admitters)
        crew_stop(gateway->admitters);
    for (unsigned i = 0; i < gateway->loop_count; i++)
        loop_stop(&gateway->loops[i]);
    for (unsigned i = 0; i < gateway->loop_count; i++) {
        gateway->loops[i].now_ms = clock_monotonic_ms();
        loop_turn(&gateway->loops[i], 0);
    }
}

static void free_loop(struct loop *loop)
{
    if (loop->epoll < 0)
        return;
    upstreams_close_idle(loop);
    for (struct exchange *spare = loop->spare_exchanges, *next; spare; spare = next) {
        next = spare->next_spare;
        free(spare);
    }
    for (struct connection *spare = loop->spare_connections, *next; spare; spare = next) {
        next = (struct connection *)(void *)spare->exchange;
        free(spare);
    }
    loop_destroy(loop);
}

void gateway_free(struct gateway *gateway)
{
    if (!gateway)
        return;
    bell_unhang(gateway);
    gateway_stop(gateway, 0);
    if (gateway->workers && !gateway->stopped)
        crew_stop(gateway->workers);
    if (gateway->dialers && !gateway->stopped)
        crew_stop(gateway->dialers);
    if (gateway->admitters && !gateway->stopped)
        crew_stop(gateway->admitters);
    for (size_t i = 0; i < LISTENER_COUNT; i++)
        listener_close(&gateway->listeners[i]);
    for (unsigned i = 0; i < gateway->loop_count; i++)
        free_loop(&gateway->loops[i]);
    port_forwards_free(gateway->port_forwards); /* nobody begins another: the dialers have stopped */
    crew_free(gateway->workers);
    crew_free(gateway->dialers);
    crew_free(gateway->admitters);
    resource_table_free(gateway->resources);
    tls_listeners_close(gateway);
    gateway_doors_free(gateway);
    pthread_mutex_destroy(&gateway->doors_lock);
    free_options(&gateway->options);
    free(gateway);
}

int64_t gateway_last_activity(struct gateway *gateway, const char *namespace, const char *kind, const char *name)
{
    return resource_last_activity(gateway->resources, namespace, kind, name);
}

void gateway_activity_since(struct gateway *gateway, int64_t since_ms,
                            void (*each)(void *context, const char *namespace, const char *kind, const char *name,
                                         int64_t at_ms),
                            void *context)
{
    resource_each(gateway->resources, since_ms, each, context);
}
