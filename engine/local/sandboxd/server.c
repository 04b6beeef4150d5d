/* Who is talking to us, and who wants to hear of changes? */
#include "engine/local/sandboxd/server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/local/sandboxd/limits.h"
#include "engine/local/sandboxd/operations.h"
#include "engine/local/sandboxd/recover.h"
#include "engine/local/sandboxd/wire.h"

#define DRAIN_MS 15000 /* a request in flight at SIGTERM: a pod's start or removal */
#define SHUTDOWN_GRACE_MAX_S 120
#define THREAD_STACK ((size_t)512 * 1024)

struct connection {
    struct box_server *server;
    int fd;
    bool subscribed; /* server->lock */
    struct connection *next, **link;
};

struct box_server {
    struct box_daemon *daemon;
    char *path;
    uid_t uid;
    int listener, finished; /* finished: an eventfd that ends box_server_run */
    bool draining;          /* lock: no more requests are begun */
    pthread_mutex_t lock;   /* guards the list of connections */
    pthread_cond_t empty;
    struct connection *connections;
    size_t count;
};

/* --- events --------------------------------------------------------------------------------------------------------
 */

/* A subscriber that does not read is cut off: it connects again and lists. */
static void changed(void *context, const char *sandbox, const char *pod)
{
    struct box_server *server = context;
    AUTO_JSON cJSON *event = json_object();
    json_set_text(event, "event", "pod");
    json_set_text(event, "sandbox", sandbox);
    json_set_text(event, "pod", pod);
    pthread_mutex_lock(&server->lock);
    for (struct connection *at = server->connections; at; at = at->next)
        if (at->subscribed && box_wire_send(at->fd, event, -1, MSG_DONTWAIT)) {
            at->subscribed = false;
            shutdown(at->fd, SHUT_RDWR);
        }
    pthread_mutex_unlock(&server->lock);
}

/* --- one connection ------------------------------------------------------------------------------------------------
 */

static int answer(int socket, cJSON *body, int fd, int failed, const struct error *error)
{
    if (failed) {
        AUTO_JSON cJSON *refusal = json_object();
        json_set_bool(refusal, "ok", false);
        json_set_text(refusal, "code", box_error_name(error->code ? error->code : (enum error_code) - failed));
        json_set_text(refusal, "field", error->field);
        json_set_text(refusal, "message", error->message);
        return box_wire_send(socket, refusal, -1, 0);
    }
    json_set_bool(body, "ok", true);
    return box_wire_send(socket, body, fd, 0);
}

static int subscribe(struct connection *connection)
{
    AUTO_JSON cJSON *body = json_object();
    json_set_bool(body, "ok", true);
    pthread_mutex_lock(&connection->server->lock); /* the answer goes out before the first event */
    int failed = box_wire_send(connection->fd, body, -1, 0);
    connection->subscribed = !failed;
    pthread_mutex_unlock(&connection->server->lock);
    return failed;
}

static bool drain(struct box_server *server)
{
    pthread_mutex_lock(&server->lock);
    bool first = !server->draining;
    server->draining = true;
    pthread_mutex_unlock(&server->lock);
    return first;
}

static int shut_down(struct box_server *server, const cJSON *request, struct error *error)
{
    int64_t grace_s = 10;
    if (json_member(request, "grace_s") &&
        (!json_i64(json_member(request, "grace_s"), &grace_s) || grace_s < 0 || grace_s > SHUTDOWN_GRACE_MAX_S))
        return error_set(error, ERROR_INVALID, "grace_s", "grace_s: expected a whole number from 0 to %d",
                         SHUTDOWN_GRACE_MAX_S);
    if (!drain(server))
        return error_set(error, ERROR_UNAVAILABLE, NULL, "atelier-sandboxd is shutting down");
    return box_shut_down(server->daemon, grace_s, error);
}

static int handle(struct connection *connection, const cJSON *request)
{
    struct box_server *server = connection->server;
    const char *name = json_text_or("", request, "op", NULL);
    AUTO_JSON cJSON *body = json_object();
    AUTO_CLOSE int fd = -1;
    struct error error = {0};
    if (!strcmp(name, "subscribe"))
        return subscribe(connection);
    pthread_mutex_lock(&server->lock);
    bool draining = server->draining;
    pthread_mutex_unlock(&server->lock);
    bool down = !strcmp(name, "shutdown_all");
    int failed = draining ? error_set(&error, ERROR_UNAVAILABLE, NULL, "atelier-sandboxd is shutting down")
                 : down   ? shut_down(server, request, &error)
                          : box_operate(server->daemon, request, body, &fd, &error);
    int sent = answer(connection->fd, body, fd, failed, &error);
    if (down && !draining)
        eventfd_write(server->finished, 1);
    return sent;
}

static void connection_free(struct connection *connection)
{
    struct box_server *server = connection->server;
    pthread_mutex_lock(&server->lock);
    *connection->link = connection->next;
    if (connection->next)
        connection->next->link = connection->link;
    server->count--;
    close(connection->fd);
    pthread_cond_broadcast(&server->empty);
    pthread_mutex_unlock(&server->lock);
    free(connection);
}

static void *serve(void *context)
{
    struct connection *connection = context;
    int failed = 0;
    while (!failed || failed == -EBADMSG) {
        AUTO_JSON cJSON *request = NULL;
        AUTO_CLOSE int stray = -1;
        struct error error = {0};
        failed = box_wire_receive(connection->fd, &request, &stray, &error);
        if (failed == -EBADMSG && answer(connection->fd, NULL, -1, -ERROR_BAD_REQUEST, &error))
            break;
        if (!failed)
            failed = handle(connection, request);
    }
    connection_free(connection);
    return NULL;
}

/* --- the listener --------------------------------------------------------------------------------------------------
 */

static bool peer_is_trusted(const struct box_server *server, int fd)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && (peer.uid == 0 || peer.uid == server->uid);
}

static void start_thread(struct connection *connection)
{
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, THREAD_STACK);
    int failed = pthread_create(&thread, &attributes, serve, connection);
    pthread_attr_destroy(&attributes);
    if (failed)
        connection_free(connection);
}

static void accept_one(struct box_server *server)
{
    int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE)
            clock_sleep_ms(20); /* the backlog keeps the caller; spinning would not help it */
        return;
    }
    pthread_mutex_lock(&server->lock);
    bool room = server->count < BOX_CONNECTIONS_MAX;
    if (!room || !peer_is_trusted(server, fd)) {
        pthread_mutex_unlock(&server->lock);
        log_line(LOG_WARN, room ? "connection refused: neither root nor our user" : "connection refused: too many");
        close(fd);
        return;
    }
    struct connection *connection = memory_get(sizeof(*connection));
    connection->server = server;
    connection->fd = fd;
    connection->next = server->connections;
    connection->link = &server->connections;
    if (connection->next)
        connection->next->link = &connection->next;
    server->connections = connection;
    server->count++;
    pthread_mutex_unlock(&server->lock);
    start_thread(connection);
}

static int listen_at(struct box_server *server, gid_t gid, struct error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(server->path) >= sizeof(address.sun_path))
        return error_set(error, ERROR_INVALID, "socket", "%s: a socket's path holds at most %zu bytes", server->path,
                         sizeof(address.sun_path) - 1);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", server->path);
    server->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (server->listener < 0)
        return error_set(error, ERROR_INTERNAL, NULL, "socket: %s", strerrordesc_np(errno));
    unlink(server->path); /* we hold the installation's lock: nobody serves it */
    mode_t old = umask(0177);
    int bound = bind(server->listener, (const struct sockaddr *)(const void *)&address, sizeof(address));
    umask(old);
    if (bound < 0 || chown(server->path, server->uid, gid) < 0 || listen(server->listener, 64) < 0)
        return error_set(error, ERROR_UNAVAILABLE, "socket", "%s: %s", server->path, strerrordesc_np(errno));
    return 0;
}

int box_server_new(struct box_daemon *daemon, const char *path, uid_t uid, gid_t gid, struct box_server **ret,
                   struct error *error)
{
    struct box_server *server = memory_get(sizeof(*server));
    server->daemon = daemon;
    server->path = memory_text(path);
    server->uid = uid;
    server->listener = -1;
    server->finished = eventfd(0, EFD_CLOEXEC);
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->empty, NULL);
    int failed = listen_at(server, gid, error);
    if (failed) {
        box_server_free(server);
        return failed;
    }
    daemon->changed_context = server;
    daemon->changed = changed;
    *ret = server;
    return 0;
}

void box_server_run(struct box_server *server, int stop_fd)
{
    struct pollfd polls[] = {{.fd = server->listener, .events = POLLIN},
                             {.fd = stop_fd, .events = POLLIN},
                             {.fd = server->finished, .events = POLLIN}};
    for (;;) {
        int ready = poll(polls, COUNT_OF(polls), -1);
        if (ready > 0 && (polls[1].revents || polls[2].revents))
            return;
        if (ready > 0 && polls[0].revents)
            accept_one(server);
    }
}

void box_server_close(struct box_server *server)
{
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += DRAIN_MS / 1000;
    if (server->listener >= 0)
        close(server->listener);
    server->listener = -1;
    pthread_mutex_lock(&server->lock);
    server->draining = true;
    for (struct connection *at = server->connections; at; at = at->next)
        shutdown(at->fd, SHUT_RD); /* requests in flight finish and are answered; idle connections see the end */
    while (server->count && pthread_cond_timedwait(&server->empty, &server->lock, &end) == 0)
        ;
    bool all = server->count == 0;
    pthread_mutex_unlock(&server->lock);
    unlink(server->path);
    if (all)
        return;
    log_line(LOG_WARN, "ending with requests in flight; the next start completes or undoes them");
    _exit(0);
}

void box_server_free(struct box_server *server)
{
    if (!server)
        return;
    if (server->listener >= 0)
        close(server->listener);
    close(server->finished);
    pthread_mutex_destroy(&server->lock);
    pthread_cond_destroy(&server->empty);
    free(server->path);
    free(server);
}
