/* How does a port of a service in a profile become a port of this machine? */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "cli/client.h"
#include "cli/object.h"
#include "cli/pipe.h"
#include "cli/verbs.h"
#include "ray/token.h"

#define FORWARDS_MAX 8      /* ports of one command */
#define CONNECTIONS_MAX 256 /* at once: each is a thread here and a tunnel at the service */

struct forwarding {
    const struct client *client;
    const char *namespace, *service;
    char port[64]; /* of the service: name or number */
    int listener;
    uint16_t local;
};
struct connection {
    const struct forwarding *forwarding;
    int fd;
};
static atomic_int connections;

/* --- one connection ----------------------------------------------------------------------------------------------- */

static void *carry(void *context)
{
    struct connection *connection = context;
    const struct forwarding *forwarding = connection->forwarding;
    struct pipe *pipe = NULL;
    struct error error = {0};
    int failed =
        pipe_open(forwarding->client, forwarding->namespace, forwarding->service, forwarding->port, &pipe, &error);
    if (!failed)
        failed = pipe_pump(pipe, connection->fd, connection->fd, &error);
    if (failed)
        say("%s:%s: %s", forwarding->service, forwarding->port, error.message);
    pipe_free(pipe);
    close(connection->fd);
    free(connection);
    atomic_fetch_sub(&connections, 1);
    return NULL;
}

static void take_connection(const struct forwarding *forwarding)
{
    pthread_t thread;
    pthread_attr_t attributes;
    int fd = accept4(forwarding->listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    if (atomic_fetch_add(&connections, 1) >= CONNECTIONS_MAX) {
        atomic_fetch_sub(&connections, 1);
        say("more than %d connections at once: one was refused", CONNECTIONS_MAX);
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    struct connection *connection = memory_get(sizeof(*connection));
    *connection = (struct connection){.forwarding = forwarding, .fd = fd};
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&thread, &attributes, carry, connection) != 0) {
        say("no more threads can be started");
        close(fd);
        free(connection);
        atomic_fetch_sub(&connections, 1);
    }
    pthread_attr_destroy(&attributes);
}

/* --- listening ---------------------------------------------------------------------------------------------------- */

static int listen_on(struct forwarding *forwarding, struct error *error)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(forwarding->local)};
    socklen_t size = sizeof(address);
    forwarding->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(forwarding->listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (forwarding->listener < 0 || bind(forwarding->listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(forwarding->listener, 64) < 0)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "127.0.0.1:%u cannot be used: %s; choose another, as in %u:%s",
                         forwarding->local, strerrordesc_np(errno), forwarding->local + 1u, forwarding->port);
    getsockname(forwarding->listener, (struct sockaddr *)&address, &size);
    forwarding->local = ntohs(address.sin_port);
    return 0;
}

/* "10001", "http", "8888:80", ":80" (any free port here). */
static int read_port(const char *text, struct forwarding *ret, struct error *error)
{
    struct slice remote, local = slice_split(slice_of(text), ':', &remote);
    int64_t number = 0;
    bool two = strchr(text, ':') != NULL;
    if (!two)
        remote = local;
    bool named = false;
    for (size_t i = 0; i < remote.n; i++)
        named = named || remote.p[i] < '0' || remote.p[i] > '9';
    if (remote.n == 0 || remote.n >= sizeof(ret->port) ||
        (named ? !name_is_label(remote) : !text_parse_i64(remote, 1, 65535, &number)))
        return call_usage(error, "\"%.60s\": expected PORT or LOCAL:PORT, such as 10001 or 8888:http", text);
    snprintf(ret->port, sizeof(ret->port), "%.*s", (int)remote.n, remote.p);
    if (two && local.n == 0)
        number = 0;
    else if (two && !text_parse_i64(local, 0, 65535, &number))
        return call_usage(error, "\"%.60s\": the local port must be a number up to 65535", text);
    else if (!two && named)
        number = 0;
    ret->local = (uint16_t)number;
    return 0;
}

/* Before anything is asked. */
static int check_ports(const char *const *ports, size_t count, struct error *error)
{
    struct forwarding scratch;
    int failed = count > FORWARDS_MAX ? call_usage(error, "at most %d ports at once", FORWARDS_MAX) : 0;
    for (size_t i = 0; i < count && !failed; i++)
        failed = read_port(ports[i], &scratch, error);
    return failed;
}

static int run(struct forwarding *forwardings, size_t count, struct error *error)
{
    struct pollfd fds[FORWARDS_MAX];
    for (size_t i = 0; i < count; i++)
        fds[i] = (struct pollfd){.fd = forwardings[i].listener, .events = POLLIN};
    for (;;) {
        if (poll(fds, (nfds_t)count, -1) < 0 && errno != EINTR)
            return error_set(error, ERROR_INTERNAL, NULL, "poll: %s", strerrordesc_np(errno));
        for (size_t i = 0; i < count; i++) {
            if (fds[i].revents)
                take_connection(&forwardings[i]);
        }
    }
}

/* A first tunnel tells at once whether the service is there and may be reached, rather than the first user's
 * connection. */
static int try_first(const struct forwarding *forwarding, struct error *error)
{
    struct pipe *pipe = NULL;
    int failed =
        pipe_open(forwarding->client, forwarding->namespace, forwarding->service, forwarding->port, &pipe, error);
    pipe_free(pipe);
    return failed;
}

static int forward(struct call *call, const char *service, const char *const *ports, size_t count, struct error *error)
{
    struct forwarding forwardings[FORWARDS_MAX] = {0};
    struct client *client = NULL;
    const char *namespace = NULL;
    AUTO_BUFFER struct buffer lines = {0};
    int failed = check_ports(ports, count, error);
    if (!failed)
        failed = call_namespace(call, &namespace, error);
    if (!failed)
        failed = client_of(call, &client, error);
    for (size_t i = 0; i < count && !failed; i++) {
        forwardings[i] = (struct forwarding){.client = client, .namespace = namespace, .service = service};
        failed = read_port(ports[i], &forwardings[i], error);
        if (!failed)
            failed = try_first(&forwardings[i], error);
        if (!failed)
            failed = listen_on(&forwardings[i], error);
        if (!failed)
            buffer_add_format(&lines, "Forwarding 127.0.0.1:%u -> %s.%s:%s\n", forwardings[i].local, service, namespace,
                              forwardings[i].port);
    }
    if (failed)
        return failed;
    failed = print_text(lines.p, error);
    return failed ? failed : run(forwardings, count, error);
}

int verb_forward(struct call *call, struct error *error)
{
    const char *name = call->arguments[0];
    if (strncmp(name, "service/", 8) == 0 || strncmp(name, "svc/", 4) == 0)
        name = strchr(name, '/') + 1;
    if (!name_is_subdomain(slice_of(name)))
        return call_usage(error, "\"%.60s\" cannot be the name of a service", name);
    return forward(call, name, call->arguments + 1, call->argument_count - 1, error);
}

/* Jupyter's port, on the number that Jupyter itself uses. */
int verb_notebook_forward(struct call *call, struct error *error)
{
    static const char *const usual[] = {"8888:80"};
    bool given = call->argument_count > 1;
    AUTO_JSON cJSON *notebook = NULL;
    const struct resource *resource = resource_by_word("notebooks");
    int failed = check_ports(call->arguments + 1, call->argument_count - 1, error);
    if (!failed)
        failed = object_get(call, resource, call->arguments[0], &notebook, error);
    if (!failed)
        failed = object_check_runs(resource, notebook, error);
    return failed ? failed
                  : forward(call, call->arguments[0], given ? call->arguments + 1 : usual,
                            given ? call->argument_count - 1 : COUNT_OF(usual), error);
}

int verb_ray_forward(struct call *call, struct error *error)
{
    static const char *const usual[] = {"10001", "8265", "8000"};
    AUTO_JSON cJSON *cluster = NULL;
    const char *const *ports = call->argument_count > 1 ? call->arguments + 1 : usual;
    size_t count = call->argument_count > 1 ? call->argument_count - 1 : COUNT_OF(usual);
    const struct resource *resource = resource_by_word("rayclusters");
    int failed = check_ports(call->arguments + 1, call->argument_count - 1, error);
    if (!failed)
        failed = object_get(call, resource, call->arguments[0], &cluster, error);
    if (!failed)
        failed = object_check_runs(resource, cluster, error);
    if (failed)
        return failed;
    const char *head = json_text(cluster, "spec", "headGroupSpec", "headService", "metadata", "name", NULL);
    AUTO_FREE char *service = head ? memory_text(head) : memory_format("%s-head-svc", call->arguments[0]);
    return forward(call, service, ports, count, error);
}

/* The token is the whole profile's: who may read its Secret may have it, nobody else. */
int verb_ray_env(struct call *call, struct error *error)
{
    AUTO_JSON cJSON *cluster = NULL;
    AUTO_JSON cJSON *secret = NULL;
    AUTO_BUFFER struct buffer token = {0};
    int failed = object_get(call, resource_by_word("rayclusters"), call->arguments[0], &cluster, error);
    if (failed)
        return failed;
    char name[RAY_TOKEN_SECRET_SIZE];
    ray_token_secret(cluster, name, NULL);
    failed = object_get(call, resource_by_word("secrets"), name, &secret, error);
    const char *encoded = json_text(secret, "data", "auth_token", NULL);
    if (!failed && (!encoded || !text_unbase64(slice_of(encoded), &token)))
        failed = error_set(error, ERROR_UPSTREAM, NULL, "the Secret %s holds no auth_token", name);
    for (size_t i = 0; !failed && i < token.n; i++)
        if (token.p[i] <= ' ' || token.p[i] > '~' || token.p[i] == '\'')
            failed =
                error_set(error, ERROR_UPSTREAM, NULL, "the Secret %s holds no token that a shell can carry", name);
    if (failed)
        return failed;
    AUTO_FREE char *text = memory_format("export RAY_AUTH_MODE=token\nexport RAY_AUTH_TOKEN='%s'\n"
                                         "export RAY_ADDRESS=ray://127.0.0.1:10001\n",
                                         token.p);
    failed = print_text(text, error);
    memory_wipe(text, strlen(text));
    memory_wipe(token.p, token.n);
    return failed;
}
