/* What has a container written, and what does it write now? */
#include "controlplane/logs.h"

#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "controlplane/log_text.h"
#include "controlplane/objects.h"
#include "controlplane/visible.h"

#define POLL_MS 100         /* as soon as a person notices */
#define QUIET_CHECK_MS 1000 /* how often a quiet log's container is looked at */
#define CHUNK (64 << 10)
#define CHUNKS_A_ROUND 16 /* so that one busy log does not hold up the others */

struct follower {
    struct follower *next;
    struct stream *stream;
    int fd;
    off_t offset;
    struct log_text text;
    int64_t user_id, checked_ms;
    char namespace[64], pod[254], container[64], uid[64];
    bool ended; /* no more will come; one last look is due */
};
struct followers {
    struct server *server;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards everything below */
    pthread_cond_t changed;
    struct follower *added;
    struct follower *running; /* changed by the thread only */
    size_t count;
    bool stopping;
};

/* --- following ---------------------------------------------------------------------------------------------------- */
static void follower_free(struct follower *follower)
{
    stream_close(follower->stream);
    log_text_free(&follower->text);
    close(follower->fd);
    free(follower);
}

/* Passes on what has grown. False when the stream or the limit is at its end; *ret_grown if there was anything. */
static bool pump(struct follower *follower, bool *ret_grown)
{
    char *chunk = memory_get(CHUNK);
    bool more = true;
    for (size_t i = 0; i < CHUNKS_A_ROUND && more; i++) {
        AUTO_BUFFER struct buffer out = {0};
        ssize_t count = pread(follower->fd, chunk, CHUNK, follower->offset);
        if (count <= 0)
            break;
        *ret_grown = true;
        follower->offset += count;
        more = log_text_feed(&follower->text, (struct slice){chunk, (size_t)count}, &out);
        if (out.n && !stream_write(follower->stream, buffer_slice(&out)))
            more = false;
    }
    free(chunk);
    return more;
}

static const cJSON *find_status(const cJSON *pod, const char *member, const char *container)
{
    return json_named(json_at(pod, "status", member, NULL), container);
}

static bool container_ended(const cJSON *pod, const char *container)
{
    const char *phase = json_text_or("", pod, "status", "phase", NULL);
    if (strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0)
        return true;
    const cJSON *status = find_status(pod, "containerStatuses", container);
    if (!status)
        status = find_status(pod, "initContainerStatuses", container);
    return json_at(status, "state", "terminated", NULL) != NULL;
}

/* A container that has gone writes no more; while the engine cannot tell, it may. */
static bool has_ended(struct followers *followers, const struct follower *follower)
{
    AUTO_JSON cJSON *pod = NULL;
    int status = engine_get(followers->server->engine, KIND_POD, follower->namespace, follower->pod, &pod, NULL);
    if (status == -ERROR_NOT_FOUND)
        return true;
    if (status < 0)
        return false;
    return strcmp(json_text_or("", pod, "metadata", "uid", NULL), follower->uid) != 0 ||
           container_ended(pod, follower->container);
}

/* False when this follower is done. */
static bool advance(struct followers *followers, struct follower *follower, int64_t now_ms)
{
    bool grown = false;
    if (!pump(follower, &grown))
        return false;
    if (grown) {
        follower->checked_ms = now_ms;
        return true;
    }
    if (follower->ended)
        return false;
    if (now_ms - follower->checked_ms < QUIET_CHECK_MS)
        return true;
    follower->checked_ms = now_ms;
    follower->ended = has_ended(followers, follower); /* then one more look: it may have written last words */
    return stream_write(follower->stream, (struct slice){"", 0});
}

static void advance_all(struct followers *followers)
{
    int64_t now_ms = clock_monotonic_ms();
    for (struct follower **at = &followers->running; *at;) {
        struct follower *follower = *at;
        if (advance(followers, follower, now_ms)) {
            at = &follower->next;
            continue;
        }
        pthread_mutex_lock(&followers->mutex);
        *at = follower->next;
        followers->count--;
        pthread_mutex_unlock(&followers->mutex);
        follower_free(follower);
    }
}

/* Takes over what was added; waits for the next look, or for the first follower. The caller holds the mutex. */
static void wait_round(struct followers *followers)
{
    while (!followers->running && !followers->added && !followers->stopping)
        pthread_cond_wait(&followers->changed, &followers->mutex);
    while (followers->added) {
        struct follower *follower = followers->added;
        followers->added = follower->next;
        follower->next = followers->running;
        followers->running = follower;
    }
}

static void *run(void *context)
{
    struct followers *followers = context;
    pthread_mutex_lock(&followers->mutex);
    for (;;) {
        wait_round(followers);
        if (followers->stopping)
            break;
        pthread_mutex_unlock(&followers->mutex);
        advance_all(followers);
        clock_sleep_ms(POLL_MS);
        pthread_mutex_lock(&followers->mutex);
    }
    struct follower *left = followers->running; /* wait_round has taken over what was added */
    followers->running = NULL;
    pthread_mutex_unlock(&followers->mutex);
    while (left) {
        struct follower *next = left->next;
        follower_free(left);
        left = next;
    }
    return NULL;
}

struct followers *followers_new(struct server *server)
{
    struct followers *followers = memory_get(sizeof(*followers));
    followers->server = server;
    pthread_mutex_init(&followers->mutex, NULL);
    pthread_cond_init(&followers->changed, NULL);
    if (pthread_create(&followers->thread, NULL, run, followers) != 0)
        memory_oom(sizeof(*followers));
    return followers;
}

void followers_stop(struct followers *followers)
{
    if (!followers)
        return;
    pthread_mutex_lock(&followers->mutex);
    followers->stopping = true;
    pthread_cond_signal(&followers->changed);
    pthread_mutex_unlock(&followers->mutex);
    pthread_join(followers->thread, NULL);
}

void followers_free(struct followers *followers)
{
    if (!followers)
        return;
    pthread_cond_destroy(&followers->changed);
    pthread_mutex_destroy(&followers->mutex);
    free(followers);
}

/* Counts and adds at once: two requests cannot both take the last place. */
static bool add(struct followers *followers, struct follower *follower)
{
    size_t own = 0;
    pthread_mutex_lock(&followers->mutex);
    for (const struct follower *other = followers->running; other; other = other->next)
        own += other->user_id == follower->user_id;
    for (const struct follower *other = followers->added; other; other = other->next)
        own += other->user_id == follower->user_id;
    bool room = followers->count < LIMIT_FOLLOWERS && own < LIMIT_FOLLOWERS_USER && !followers->stopping;
    if (room) {
        follower->next = followers->added;
        followers->added = follower;
        followers->count++;
        pthread_cond_signal(&followers->changed);
    }
    pthread_mutex_unlock(&followers->mutex);
    return room;
}

/* --- what was written so far -------------------------------------------------------------------------------------- */
struct log_request {
    const char *container;
    int64_t tail_lines; /* negative: all */
    bool follow;
    bool previous; /* of the container before its last restart */
    struct log_text text;
};

static int read_options(struct call *call, struct log_request *ret, struct error *error)
{
    int64_t since_s = 0;
    const char *since = request_query(call->request, "sinceTime"),
               *container = request_query(call->request, "container");
    *ret = (struct log_request){.container = container && *container ? container : NULL,
                                .tail_lines = -1,
                                .follow = call_query_true(call, "follow"),
                                .previous = call_query_true(call, "previous"),
                                .text = {.timestamps = call_query_true(call, "timestamps"), .limit_bytes = -1}};
    int status = call_query_i64(call, "tailLines", 0, LIMIT_LOG_TAIL, &ret->tail_lines, error);
    if (status == 0)
        status = call_query_i64(call, "limitBytes", 1, INT64_MAX, &ret->text.limit_bytes, error);
    if (status == 0)
        status = call_query_i64(call, "sinceSeconds", 1, INT32_MAX, &since_s, error);
    if (status == 0 && since && *since && !clock_parse(slice_of(since), &ret->text.since_ms))
        status =
            error_set(error, ERROR_BAD_REQUEST, "sinceTime", "sinceTime must be a time such as 2026-11-23T03:00:00Z");
    if (status == 0 && since_s)
        ret->text.since_ms = clock_wall_ms() - 1000 * since_s;
    return status;
}

/* The container meant: named and there, or the only (else the first) one. */
static int find_container(struct call *call, const cJSON *pod, struct log_request *log, struct error *error)
{
    static const char *const members[] = {"containers", "initContainers"};
    AUTO_BUFFER struct buffer names = {0};
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        const cJSON *item;
        cJSON_ArrayForEach(item, json_at(pod, "spec", members[i], NULL))
        {
            const char *name = json_text_or("", item, "name", NULL);
            if (!log->container || strcmp(name, log->container) == 0) {
                log->container = arena_text(call->request->arena, name);
                return 0;
            }
            buffer_add_format(&names, "%s%s", names.n ? ", " : "", name);
        }
    }
    return error_set(error, ERROR_BAD_REQUEST, "container", "the pod has no such container; it has: %s",
                     names.n ? names.p : "none");
}

/* A restarted container goes on in the same file: what the one before it wrote lies between its start and its end,
 * which are told to the second. */
static int choose_previous(const cJSON *pod, const char *pod_name, struct log_request *log, struct error *error)
{
    int64_t began_ms = 0, ended_ms = 0;
    const cJSON *status = find_status(pod, "containerStatuses", log->container);
    if (!status)
        status = find_status(pod, "initContainerStatuses", log->container);
    const cJSON *last = json_at(status, "lastState", "terminated", NULL);
    if (!clock_parse(slice_of(json_text_or("", last, "startedAt", NULL)), &began_ms) ||
        !clock_parse(slice_of(json_text_or("", last, "finishedAt", NULL)), &ended_ms))
        return error_set(error, ERROR_BAD_REQUEST, "previous",
                         "previous terminated container \"%s\" in pod \"%s\" not found", log->container, pod_name);
    if (log->text.since_ms < began_ms)
        log->text.since_ms = began_ms;
    log->text.until_ms = ended_ms + 1000;
    log->follow = false; /* nothing more will come */
    return 0;
}

/* The end of the file, as far as one answer carries, from the start of a line; and how much of the file it covers. */
static int read_end(int fd, int64_t tail_lines, struct buffer *ret, off_t *ret_offset, struct error *error)
{
    struct stat info;
    if (fstat(fd, &info) < 0)
        return error_set(error, ERROR_INTERNAL, NULL, "the log cannot be read: %s", strerrordesc_np(errno));
    off_t from = info.st_size > LIMIT_LOG_ANSWER ? info.st_size - LIMIT_LOG_ANSWER : 0;
    size_t wanted = (size_t)(info.st_size - from);
    char *raw = memory_get(wanted + 1);
    size_t have = 0;
    while (have < wanted) {
        ssize_t count = pread(fd, raw + have, wanted - have, from + (off_t)have);
        if (count <= 0)
            break;
        have += (size_t)count;
    }
    struct slice text = {raw, have};
    if (from > 0) {
        const char *newline = memchr(raw, '\n', have);
        text = slice_skip(text, newline ? (size_t)(newline - raw) + 1 : 0);
    }
    if (tail_lines >= 0)
        text = slice_skip(text, log_text_tail(text, tail_lines));
    buffer_add_slice(ret, text);
    *ret_offset = from + (off_t)have;
    free(raw);
    return 0;
}

static int follow(struct call *call, const struct place *place, const cJSON *pod, struct log_request *log, int fd,
                  off_t offset, bool live, const struct buffer *text, struct error *error)
{
    struct access access;
    struct follower *follower = memory_get(sizeof(*follower));
    follower->fd = fd;
    follower->offset = offset;
    follower->text = log->text;
    follower->user_id = call->request->identity->user_id;
    follower->checked_ms = clock_monotonic_ms();
    follower->ended = !live;
    snprintf(follower->namespace, sizeof(follower->namespace), "%s", place->namespace);
    snprintf(follower->pod, sizeof(follower->pod), "%s", place->name);
    snprintf(follower->container, sizeof(follower->container), "%s", log->container);
    snprintf(follower->uid, sizeof(follower->uid), "%s", json_text_or("", pod, "metadata", "uid", NULL));
    visible_access(KIND_POD, pod, VERB_LOG, &access);
    response_header(call->response, "Cache-Control", "no-store");
    follower->stream = response_stream(call->response, "text/plain; charset=utf-8", &access, false);
    if (text->n)
        stream_write(follower->stream, buffer_slice(text));
    if (!add(call->server->followers, follower))
        follower_free(follower);
    (void)error;
    return 0;
}

int logs_answer(struct call *call, const struct place *place, struct error *error)
{
    AUTO_VIEW struct engine_view pod = {0};
    AUTO_CLOSE int fd = -1;
    AUTO_BUFFER struct buffer raw = {0}, text = {0};
    struct log_request log;
    bool live = false;
    off_t offset = 0;
    int status = place_read(call, place, VERB_LOG, &pod, error);
    if (status == 0)
        status = read_options(call, &log, error);
    if (status == 0)
        status = find_container(call, pod.object, &log, error);
    if (status == 0 && log.previous)
        status = choose_previous(pod.object, place->name, &log, error);
    if (status < 0)
        return status;
    status = engine_log_open(call->server->engine, place->namespace, place->name, log.container, &fd, &live, error);
    if (status == -ERROR_NOT_FOUND)
        return error_set(error, ERROR_BAD_REQUEST, "container", "the container \"%s\" has not started yet",
                         log.container);
    if (status == 0)
        status = read_end(fd, log.previous ? -1 : log.tail_lines, &raw, &offset, error);
    if (status < 0)
        return status;
    bool more = log_text_feed(&log.text, buffer_slice(&raw), &text);
    if (log.follow && more)
        return follow(call, place, pod.object, &log, TAKE_FD(fd), offset, live, &text, error);
    log_text_free(&log.text);
    struct slice shown = buffer_slice(&text);
    if (log.previous && log.tail_lines >= 0)
        shown = slice_skip(shown, log_text_tail(shown, log.tail_lines));
    response_header(call->response, "Cache-Control", "no-store");
    response_body(call->response, "text/plain; charset=utf-8", shown);
    return 0;
}
