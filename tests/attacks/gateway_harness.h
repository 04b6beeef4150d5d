/*
 * A running gateway without the rest of the house: people and policy, the engine and the API handler are small fakes
 * that tests steer; the workload is a thread on a loopback port that records what reaches it and answers as it is told.
 *
 * alice: editor of namespace alice. victor: its viewer. bob: a stranger. dora is a token of one application: /app of
 * the RayService shop. Each has a token "token-NAME", a session cookie "session-NAME" and a resource cookie
 * "resource-NAME".
 */
#ifndef ATELIER_TESTS_GATEWAY_HARNESS_H
#define ATELIER_TESTS_GATEWAY_HARNESS_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "gateway/gateway.h"
#include "gateway/limits.h"
#include "tests/integration/ports.h"

/* --- people and policy -------------------------------------------------------------------------------------------- */

/* alice owns, victor looks, bob is nobody, to carol one notebook is shared: nb1; dora may use one application. */
static const char *const people[] = {"", "alice", "victor", "bob", "carol", "dora"};
enum { PERSON_CAROL = 4, PERSON_DORA };
static _Atomic bool person_revoked[COUNT_OF(people)];
static _Atomic bool grant_revoked[COUNT_OF(people)];
static _Atomic uint64_t fake_generation = 1;
static void (*change_listeners[64])(void *);
static void *change_contexts[64];
static size_t change_listener_count;
static _Atomic int64_t audits;

const struct policy *policy_take(struct auth *auth)
{
    (void)auth;
    return (const struct policy *)(const void *)people;
}
void policy_release(const struct policy *policy)
{
    (void)policy;
}
uint64_t policy_generation(const struct policy *policy)
{
    (void)policy;
    return fake_generation;
}
bool policy_still_valid(const struct policy *policy, const struct identity *identity)
{
    (void)policy;
    return identity->kind == IDENTITY_LOCAL || !person_revoked[identity->user_id];
}
static struct decision decide_for_carol(const struct access *access)
{
    bool list = access->verb == VERB_LIST;
    bool hers = access->name && strcmp(access->kind, "Notebook") == 0 && strcmp(access->name, "nb1") == 0;
    return (struct decision){.allowed = list || hers, .visible = list || hers, .partial = list, .reason = "no grant"};
}
static struct decision decide_for_dora(const struct access *access)
{
    bool connects = access->verb == VERB_CONNECT || access->verb == VERB_CONNECT_READ;
    bool hers = connects && strcmp(access->kind, "RayCluster") == 0 && access->service_uid &&
                strcmp(access->service_uid, "shop") == 0 && access->path &&
                prefix_covers(SLICE("/app"), slice_of(access->path));
    return (struct decision){.allowed = hers, .visible = hers, .reason = "another application"};
}
struct decision policy_decide(const struct policy *policy, const struct identity *identity, const struct access *access)
{
    (void)policy;
    if (identity->kind == IDENTITY_LOCAL)
        return (struct decision){.allowed = true, .visible = true};
    if (!access->namespace || strcmp(access->namespace, "alice") != 0 || identity->user_id == 3 ||
        grant_revoked[identity->user_id])
        return (struct decision){.reason = "no grant"};
    if (identity->user_id == PERSON_CAROL)
        return decide_for_carol(access);
    if (identity->user_id == PERSON_DORA)
        return decide_for_dora(access);
    bool read = access->verb == VERB_CONNECT_READ || access->verb == VERB_GET || access->verb == VERB_WATCH;
    bool allowed = identity->user_id == 1 || (read && strcmp(access->kind, "Notebook") != 0);
    return (struct decision){.allowed = allowed, .visible = true, .reason = "a viewer may only look"};
}
enum role policy_role(const struct policy *policy, const struct identity *identity, const char *namespace)
{
    (void)policy;
    (void)namespace;
    return identity->user_id == PERSON_CAROL ? ROLE_NONE : identity->user_id == 1 ? ROLE_OWNER : ROLE_VIEWER;
}
const char *role_name(enum role role)
{
    return role == ROLE_ADMIN ? "admin" : role == ROLE_EDITOR ? "editor" : "viewer";
}
bool auth_identify(const struct policy *policy, const struct credentials *credentials, struct identity *ret)
{
    (void)policy;
    const char *prefix = credentials->bearer.n ? "token-" : credentials->host_resource.n ? "resource-" : "session-";
    struct slice secret = credentials->bearer.n ? credentials->bearer : credentials->cookie;
    memset(ret, 0, sizeof(*ret));
    for (size_t i = 1; i < COUNT_OF(people); i++) {
        char wanted[64];
        snprintf(wanted, sizeof(wanted), "%s%s", prefix, people[i]);
        if (!slice_is(secret, wanted) || person_revoked[i])
            continue;
        ret->kind = credentials->bearer.n          ? IDENTITY_TOKEN
                    : credentials->host_resource.n ? IDENTITY_RESOURCE
                                                   : IDENTITY_SESSION;
        ret->user_id = (int64_t)i;
        ret->credential_id = 1;
        snprintf(ret->email, sizeof(ret->email), "%s@example.com", people[i]);
        if (i == PERSON_DORA) {
            ret->kind = IDENTITY_APPLICATION;
            snprintf(ret->email, sizeof(ret->email), "token-5");
        }
        snprintf(ret->csrf, sizeof(ret->csrf), "csrf-of-%s", people[i]);
        return true;
    }
    return false;
}
void auth_on_change(struct auth *auth, void (*changed)(void *), void *context)
{
    (void)auth;
    change_listeners[change_listener_count] = changed;
    change_contexts[change_listener_count++] = context;
}
void audit_add(struct auth *auth, const struct audit_entry *entry)
{
    (void)auth;
    (void)entry;
    audits++;
}
static inline void policy_changed(void)
{
    fake_generation++;
    for (size_t i = 0; i < change_listener_count; i++)
        change_listeners[i](change_contexts[i]);
}

/* --- the workload ------------------------------------------------------------------------------------------------- */

static struct {
    int listener, port;
    pthread_mutex_t lock; /* guards what follows */
    struct buffer seen;   /* every request as it came */
    unsigned requests, connections;
    struct buffer script; /* raw answer; empty: echo the head */
    bool close_after, close_before_answer, big;
    int64_t big_bytes;
} workload = {.lock = PTHREAD_MUTEX_INITIALIZER};
static _Atomic int64_t workload_body_bytes;
static _Atomic int dial_calls;
/* How clusters "asleep-late…" are: they answer only as they are. */
static _Atomic int late_cluster = TARGET_RESUMES;

static inline bool send_all(int fd, const char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t sent = send(fd, bytes, count, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        bytes += sent;
        count -= (size_t)sent;
    }
    return true;
}

static inline void workload_websocket(int fd, const char *rest, size_t count)
{
    static const char accepted[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                   "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    char bytes[4096];
    send_all(fd, accepted, sizeof(accepted) - 1);
    if (count > 0)
        send_all(fd, rest, count);
    for (ssize_t got; (got = recv(fd, bytes, sizeof(bytes), 0)) > 0;)
        send_all(fd, bytes, (size_t)got);
}

/* Reads the body that the head announces, decoding nothing: counts and ends at the end. */
static inline bool workload_read_body(int fd, const char *head, struct buffer *buffer)
{
    const char *length = strcasestr(head, "\r\nContent-Length: ");
    char bytes[65536];
    if (length) {
        int64_t left = strtoll(length + 18, NULL, 10) - (int64_t)buffer->n;
        workload_body_bytes += (int64_t)buffer->n;
        while (left > 0) {
            ssize_t got = recv(fd, bytes, sizeof(bytes) < (size_t)left ? sizeof(bytes) : (size_t)left, 0);
            if (got <= 0)
                return false;
            left -= got;
            workload_body_bytes += got;
        }
        buffer_clear(buffer);
        return true;
    }
    if (!strcasestr(head, "\r\nTransfer-Encoding: chunked"))
        return true;
    while (!buffer->p || !memmem(buffer->p, buffer->n, "0\r\n\r\n", 5)) {
        ssize_t got = recv(fd, bytes, sizeof(bytes), 0);
        if (got <= 0)
            return false;
        workload_body_bytes += got;
        buffer_add(buffer, bytes, (size_t)got);
    }
    pthread_mutex_lock(&workload.lock);
    buffer_add_slice(&workload.seen, buffer_slice(buffer));
    pthread_mutex_unlock(&workload.lock);
    buffer_clear(buffer);
    return true;
}

static inline bool workload_answer(int fd, const char *head, size_t length)
{
    AUTO_BUFFER struct buffer answer = {0};
    pthread_mutex_lock(&workload.lock);
    bool close_after = workload.close_after, scripted = workload.script.n > 0;
    int64_t big = workload.big ? workload.big_bytes : 0;
    if (scripted)
        buffer_add_slice(&answer, buffer_slice(&workload.script));
    pthread_mutex_unlock(&workload.lock);
    if (big > 0) {
        static const char block[65536];
        buffer_add_format(&answer, "HTTP/1.1 200 OK\r\nContent-Length: %lld\r\n\r\n", (long long)big);
        if (!send_all(fd, answer.p, answer.n))
            return false;
        for (; big > 0; big -= (int64_t)sizeof(block))
            if (!send_all(fd, block, big < (int64_t)sizeof(block) ? (size_t)big : sizeof(block)))
                return false;
        return true;
    }
    if (!scripted) {
        bool to_head = strncmp(head, "HEAD ", 5) == 0;
        buffer_add_format(&answer, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n",
                          length);
        if (!to_head)
            buffer_add(&answer, head, length);
    }
    return send_all(fd, answer.p, answer.n) && !close_after;
}

static void *workload_serve(void *context)
{
    AUTO_CLOSE int fd = (int)(intptr_t)context;
    AUTO_BUFFER struct buffer buffer = {0};
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    for (;;) {
        char *end;
        while (!buffer.p || !(end = memmem(buffer.p, buffer.n, "\r\n\r\n", 4))) {
            char bytes[65536];
            ssize_t got = recv(fd, bytes, sizeof(bytes), 0);
            if (got <= 0)
                return NULL;
            buffer_add(&buffer, bytes, (size_t)got);
        }
        size_t length = (size_t)(end - buffer.p) + 4;
        AUTO_FREE char *head = memory_text_n(buffer.p, length);
        buffer_drop(&buffer, length);
        pthread_mutex_lock(&workload.lock);
        workload.requests++;
        buffer_add(&workload.seen, head, length);
        bool refuse = workload.close_before_answer;
        pthread_mutex_unlock(&workload.lock);
        if (refuse)
            return NULL;
        if (strcasestr(head, "\r\nUpgrade: websocket") && workload.script.n == 0) {
            workload_websocket(fd, buffer.p, buffer.n);
            return NULL;
        }
        if (!workload_read_body(fd, head, &buffer) || !workload_answer(fd, head, length))
            return NULL;
    }
}

static void *workload_main(void *context)
{
    (void)context;
    for (;;) {
        int fd = accept4(workload.listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            return NULL;
        pthread_mutex_lock(&workload.lock);
        workload.connections++;
        pthread_mutex_unlock(&workload.lock);
        pthread_t thread;
        pthread_create(&thread, NULL, workload_serve, (void *)(intptr_t)fd);
        pthread_detach(thread);
    }
}

static inline void workload_start(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    workload.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(workload.listener, (struct sockaddr *)&address, size) < 0 || listen(workload.listener, 1024) < 0)
        abort();
    getsockname(workload.listener, (struct sockaddr *)&address, &size);
    workload.port = ntohs(address.sin_port);
    pthread_t thread;
    pthread_create(&thread, NULL, workload_main, NULL);
    pthread_detach(thread);
}

static inline void workload_reset(void)
{
    pthread_mutex_lock(&workload.lock);
    buffer_free(&workload.seen);
    buffer_free(&workload.script);
    workload.seen = workload.script = (struct buffer){0};
    workload.requests = workload.connections = 0;
    workload.close_after = workload.close_before_answer = workload.big = false;
    workload_body_bytes = 0;
    pthread_mutex_unlock(&workload.lock);
}

static inline void workload_says(const char *raw, size_t count, bool close_after)
{
    pthread_mutex_lock(&workload.lock);
    buffer_free(&workload.script);
    workload.script = (struct buffer){0};
    buffer_add(&workload.script, raw, count);
    workload.close_after = close_after;
    pthread_mutex_unlock(&workload.lock);
}

static inline bool workload_saw(const char *text)
{
    pthread_mutex_lock(&workload.lock);
    bool saw = workload.seen.p && memmem(workload.seen.p, workload.seen.n, text, strlen(text));
    pthread_mutex_unlock(&workload.lock);
    return saw;
}

static inline unsigned workload_requests(void)
{
    pthread_mutex_lock(&workload.lock);
    unsigned count = workload.requests;
    pthread_mutex_unlock(&workload.lock);
    return count;
}

static _Atomic int hanging;    /* dials of the service that hangs, */
static _Atomic bool hang_over; /* until this */

int engine_dial(struct engine *engine, const char *namespace, const char *service, const char *port, int *ret_fd,
                struct error *error)
{
    (void)engine;
    (void)namespace;
    (void)port;
    dial_calls++;
    if (strncmp(service, "asleep-late", 11) == 0 && late_cluster != TARGET_AS_IT_IS)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "nothing listens yet");
    if (strncmp(service, "dead", 4) == 0)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "the notebook is stopped");
    if (strcmp(service, "hang") == 0) {
        for (hanging++; !hang_over; clock_sleep_ms(5))
            continue;
        hanging--;
    }
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)workload.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        if (fd >= 0)
            close(fd);
        return error_set(error, ERROR_UNAVAILABLE, NULL, "the workload refuses");
    }
    *ret_fd = fd;
    return 0;
}

static _Atomic int dials_within; /* of those: for tunnels */

int engine_dial_within(struct engine *engine, const char *namespace, const char *service, const char *port, int *ret_fd,
                       struct error *error)
{
    dials_within++;
    return engine_dial(engine, namespace, service, port, ret_fd, error);
}

static bool engine_has_api = true; /* a cluster behind the engine, whose API is the workload above */

bool engine_forwards(struct engine *engine)
{
    (void)engine;
    return engine_has_api;
}
int engine_dial_api(struct engine *engine, const struct engine_request *as, int *ret_fd, char **ret_headers,
                    struct error *error)
{
    int status = engine_dial(engine, as->namespace, "api", "443", ret_fd, error);
    if (status == 0)
        *ret_headers =
            memory_format("Authorization: Bearer ours\r\nX-As: %s.%s %s\r\n", as->namespace, as->role, as->person);
    return status;
}

/* A command in a pod, where the engine itself runs it: says first what was asked, then everything back on channel 1,
 * packet by packet, until its input is closed. */
static inline void *run_command(void *context)
{
    int fd = (int)(intptr_t)context;
    char packet[ENGINE_PACKET_BYTES + 1];
    ssize_t count;
    while ((count = recv(fd, packet, sizeof(packet), 0)) > 0 && count <= ENGINE_PACKET_BYTES) {
        bool last = (unsigned char)packet[0] == 255;
        packet[0] = last ? 3 : 1;
        if (send(fd, packet, (size_t)count, MSG_NOSIGNAL) < 0 || last)
            break;
    }
    close(fd);
    return NULL;
}

int engine_exec(struct engine *engine, const char *namespace, const char *pod, const struct engine_exec *wanted,
                int *ret_fd, struct error *error)
{
    int ends[2];
    pthread_t thread;
    (void)engine;
    if (strcmp(pod, "nb1-0") != 0)
        return error_set(error, ERROR_NOT_FOUND, NULL, "no such pod");
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "socketpair");
    AUTO_FREE char *command = json_print(wanted->command);
    AUTO_FREE char *asked = memory_format("\1%s/%s/%s %s %d%d%d%d", namespace, pod, wanted->container, command,
                                          wanted->in, wanted->out, wanted->err, wanted->terminal);
    send(ends[1], asked, strlen(asked), MSG_NOSIGNAL);
    if (pthread_create(&thread, NULL, run_command, (void *)(intptr_t)ends[1]) == 0)
        pthread_detach(thread);
    *ret_fd = ends[0];
    return 0;
}

/* The same for its ports: they are the workload's. */
int engine_dial_pod(struct engine *engine, const char *namespace, const char *pod, uint16_t port, int *ret_fd,
                    struct error *error)
{
    (void)port;
    return engine_dial(engine, namespace, pod, "", ret_fd, error);
}

/* Asked for by a port-forward alone: nb1-0 runs. */
int engine_get(struct engine *engine, enum engine_kind kind, const char *namespace, const char *name, cJSON **ret,
               struct error *error)
{
    (void)engine;
    (void)namespace;
    if (kind != KIND_POD || strcmp(name, "nb1-0") != 0)
        return error_set(error, ERROR_NOT_FOUND, NULL, "no such pod");
    *ret = json_object();
    json_set_text(json_set(*ret, "status", json_object()), "phase", "Running");
    return 0;
}

/* Pods nb1-0 and nb2-0 of two notebooks; "stray-0" belongs to nothing. */
static bool find_pod_owner(void *context, const char *namespace, const char *pod, struct target *ret)
{
    (void)context;
    (void)namespace;
    if (strncmp(pod, "nb", 2) != 0)
        return false;
    snprintf(ret->owner_kind, sizeof(ret->owner_kind), "Notebook");
    snprintf(ret->owner_name, sizeof(ret->owner_name), "%.3s", pod);
    return true;
}

/* Whether /app of clusters whose name begins with "open" is open to anybody. */
static _Atomic bool apps_open = true;

static bool resolve(void *context, const struct route *route, struct target *ret)
{
    (void)context;
    memset(ret, 0, sizeof(*ret));
    if (strncmp(route->name, "absent", 6) == 0)
        return false;
    bool ray = route->kind == ROUTE_RAY || route->kind == ROUTE_SERVE || route->kind == ROUTE_RAY_CLIENT ||
               route->kind == ROUTE_SERVE_GRPC || strncmp(route->name, "rc", 2) == 0;
    if (strstr(route->name, "waiting") == NULL)
        snprintf(ret->service, sizeof(ret->service), "%.63s", route->name);
    snprintf(ret->port, sizeof(ret->port), "%s", route->port[0] ? route->port : "80");
    snprintf(ret->owner_kind, sizeof(ret->owner_kind), ray ? "RayCluster" : "Notebook");
    snprintf(ret->owner_name, sizeof(ret->owner_name), "%.63s", route->name);
    ret->strip_prefix = route->kind != ROUTE_NOTEBOOK;
    if (strstr(route->name, "shop"))
        snprintf(ret->service_uid, sizeof(ret->service_uid), "shop");
    if (route->kind == ROUTE_SERVE_GRPC && route->tail.n > 0 && !slice_is(route->tail, "unknown"))
        snprintf(ret->path, sizeof(ret->path), "/%.*s", (int)route->tail.n, route->tail.p);
    if (strncmp(route->name, "asleep", 6) == 0)
        ret->state = TARGET_RESUMES;
    if (strncmp(route->name, "asleep-late", 11) == 0)
        ret->state = (enum target_state)late_cluster;
    if (route->kind == ROUTE_SERVE &&
        (strncmp(route->name, "open", 4) == 0 || strcmp(route->name, "asleep-open") == 0) &&
        slice_starts(route->tail, "/app") && apps_open)
        snprintf(ret->open, sizeof(ret->open), "/app");
    if (route->kind == ROUTE_SERVE_GRPC && strncmp(route->name, "open", 4) == 0 && slice_is(route->tail, "app") &&
        apps_open)
        snprintf(ret->open, sizeof(ret->open), "app");
    snprintf(ret->header_name, sizeof(ret->header_name), ray ? "X-Ray-Authorization" : "Authorization");
    snprintf(ret->header_value, sizeof(ret->header_value), ray ? "Bearer raysecret" : "token jupytersecret");
    return true;
}

/* "dead-slow" is on its way, "dead-stopped" is not. */
static bool explain(void *context, const char *namespace, const struct target *target, struct progress *ret)
{
    (void)context;
    (void)namespace;
    if (strncmp(target->owner_name, "dead-", 5) != 0 || target->header_value[0])
        return false;
    ret->starting = strcmp(target->owner_name, "dead-slow") == 0;
    ret->stage = PROGRESS_IMAGE;
    ret->since_ms = clock_wall_ms() - 42000;
    snprintf(ret->message, sizeof(ret->message), "it waits for <b>");
    return true;
}

/* The label of rc1 whose names are long. */
static bool find_label(void *context, struct slice label, struct route *ret)
{
    (void)context;
    if (!slice_is(label, "rayclient-long---0123456789abcdef"))
        return false;
    *ret = (struct route){.kind = ROUTE_RAY_CLIENT, .namespace = "alice", .name = "rc1"};
    return true;
}

/* Which started: "asleep-stuck" does not, "asleep-late…" take until a test says that they answer. */
static int resume(void *context, const char *namespace, const char *cluster, const char *person, bool *ret_resumed,
                  struct error *error)
{
    (void)context;
    (void)namespace;
    (void)person;
    if (strcmp(cluster, "asleep-stuck") == 0)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "nothing can be written now");
    *ret_resumed = true;
    if (strncmp(cluster, "asleep-late", 11) == 0)
        late_cluster = TARGET_STARTING;
    return 0;
}

/* --- the API handler ---------------------------------------------------------------------------------------------- */

static struct stream *_Atomic open_stream;
static _Atomic int stream_gone_calls;
static _Atomic int handled;

static void on_stream_gone(void *context)
{
    (void)context;
    stream_gone_calls++;
}

static void handle(void *context, const struct request *request, struct response *response)
{
    (void)context;
    handled++;
    if (slice_is(request->path, "/api/stream")) {
        struct access access = {.namespace = "alice", .kind = "RayCluster", .name = "rc1", .verb = VERB_WATCH};
        struct stream *stream = response_stream(response, "application/json", &access, false);
        stream_on_gone(stream, on_stream_gone, NULL);
        stream_write(stream, SLICE("{\"first\":true}\n"));
        open_stream = stream;
        return;
    }
    if (slice_ends(request->path, "/short")) {
        struct stream *stream = response_stream(response, "text/plain", NULL, false);
        stream_write(stream, SLICE("one "));
        stream_write(stream, SLICE("two"));
        stream_close(stream);
        return;
    }
    if (slice_ends(request->path, "/wide")) { /* larger than a head may be */
        AUTO_FREE char *value = memory_get(LIMIT_HEAD_BYTES + 1);
        memset(value, 'x', LIMIT_HEAD_BYTES);
        response_header(response, "X-Wide", value);
    }
    if (slice_is(request->path, "/api/slow"))
        clock_sleep_ms(300);
    if (slice_is(request->path, "/api/large")) {
        AUTO_FREE char *large = memory_get(10 * 1024 * 1024);
        memset(large, 'x', 10 * 1024 * 1024);
        response_body(response, "text/plain", (struct slice){large, 10 * 1024 * 1024});
        return;
    }
    AUTO_BUFFER struct buffer body = {0};
    buffer_add_format(&body, "handled %.*s %.*s as '%s' kind %d host '%s' body %zu local %d\n", (int)request->method.n,
                      request->method.p, (int)request->path.n, request->path.p, request->identity->email,
                      (int)request->identity->kind, request->host_resource, request->body.n, (int)request->local);
    response_header(response, "X-Injected", "a\r\nEvil: yes");
    response_body(response, "text/plain", buffer_slice(&body));
}

/* --- the gateway -------------------------------------------------------------------------------------------------- */

static struct gateway *gateway;
static int gateway_port;
static struct gateway_tls harness_tls; /* what the gateway is started with */
static const char *harness_check = ""; /* check_listen */
static int (*client_wrap)(int fd);     /* what a client does to its socket first, e.g. TLS */
static char admin_path[64];

static inline void harness_start(unsigned loops)
{
    struct error error = {0};
    char listen_at[32];
    gateway_port = free_port();
    snprintf(listen_at, sizeof(listen_at), "127.0.0.1:%d", gateway_port);
    snprintf(admin_path, sizeof(admin_path), "/tmp/atelier-gateway-test-%d.sock", (int)getpid());
    struct gateway_options options = {.auth = (struct auth *)1,
                                      .engine = (struct engine *)1,
                                      .listen = listen_at,
                                      .metrics_listen = "",
                                      .admin_socket = admin_path,
                                      .base_domain = "localhost",
                                      .tls = harness_tls,
                                      .check_listen = harness_check,
                                      .loops = loops,
                                      .workers = 4,
                                      .handler = handle,
                                      .pod_owner = find_pod_owner,
                                      .resume = resume,
                                      .resolver = resolve,
                                      .find_label = find_label,
                                      .explain = explain};
    if (gateway_new(&options, &gateway, &error) < 0) {
        fprintf(stderr, "gateway_new: %s\n", error.message);
        abort();
    }
    gateway_start(gateway);
}

static inline void harness_stop(void)
{
    gateway_stop(gateway, 100);
    gateway_free(gateway);
    gateway = NULL;
}

/* --- the client --------------------------------------------------------------------------------------------------- */

/* How long a test waits for what must come: a slow machine, or one under sanitizers, is not a defect. */
enum { PATIENCE_MS = 30000 };

static inline int client_connect(void)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)gateway_port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        abort();
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return client_wrap ? client_wrap(fd) : fd;
}

/* Reads until <fd> closes, <timeout_ms> pass, or <until> (if not NULL) has come. True if it closed. */
static inline bool client_read(int fd, struct buffer *ret, const char *until, int timeout_ms)
{
    int64_t end = clock_monotonic_ms() + timeout_ms;
    for (;;) {
        if (until && ret->p && memmem(ret->p, ret->n, until, strlen(until)))
            return false;
        int64_t left = end - clock_monotonic_ms();
        struct pollfd poller = {.fd = fd, .events = POLLIN};
        if (left <= 0 || poll(&poller, 1, (int)left) <= 0)
            return false;
        char bytes[65536];
        ssize_t got = recv(fd, bytes, sizeof(bytes), 0);
        if (got <= 0)
            return true;
        buffer_add(ret, bytes, (size_t)got);
    }
}

/* Reads one complete answer (Content-Length or chunked). Returns its status, 0 if it closed before. */
static inline int client_answer(int fd, struct buffer *ret, bool to_head, int timeout_ms)
{
    client_read(fd, ret, "\r\n\r\n", timeout_ms);
    char *end = ret->p ? memmem(ret->p, ret->n, "\r\n\r\n", 4) : NULL;
    if (!end)
        return 0;
    size_t head = (size_t)(end - ret->p) + 4;
    const char *length = strcasestr(ret->p, "\r\nContent-Length: ");
    size_t total = head;
    if (length && length < end && !to_head)
        total += (size_t)strtoull(length + 18, NULL, 10);
    int64_t deadline = clock_monotonic_ms() + timeout_ms;
    while (ret->n < total && clock_monotonic_ms() < deadline) {
        size_t before = ret->n;
        client_read(fd, ret, NULL, 1);
        if (ret->n == before) {
            struct pollfd poller = {.fd = fd, .events = POLLIN};
            poll(&poller, 1, 50);
        }
    }
    if (strcasestr(ret->p, "\r\nTransfer-Encoding: chunked") && !to_head)
        client_read(fd, ret, "0\r\n\r\n", timeout_ms);
    return (int)strtol(ret->p + 9, NULL, 10);
}

#define ALICE "Authorization: Bearer token-alice\r\n"
#define HOST "Host: localhost\r\n"

#endif
