/* What does the cluster's API serve? Its own answers, kept for some seconds. */
#include <pthread.h>

#include "base/clock.h"
#include "controlplane/handlers.h"
#include "controlplane/passage.h"

struct document {
    char *key; /* target and Accept */
    struct passage_result answer;
    int64_t until_ms;
};
struct documents {
    pthread_mutex_t mutex; /* guards everything below */
    struct document at[LIMIT_DISCOVERY_COUNT];
    size_t next;
};

struct documents *documents_new(void)
{
    struct documents *documents = memory_get(sizeof(*documents));
    pthread_mutex_init(&documents->mutex, NULL);
    return documents;
}

static void forget(struct document *document)
{
    free(document->key);
    passage_result_free(&document->answer);
    *document = (struct document){0};
}

void documents_free(struct documents *documents)
{
    if (!documents)
        return;
    for (size_t i = 0; i < COUNT_OF(documents->at); i++)
        forget(&documents->at[i]);
    pthread_mutex_destroy(&documents->mutex);
    free(documents);
}

/* Whether there is a kept answer that is young enough; the client gets it if it is the client's (<call>, or NULL). */
static bool give_kept(struct documents *documents, const struct call *call, const char *key)
{
    bool found = false;
    int64_t now_ms = clock_monotonic_ms();
    pthread_mutex_lock(&documents->mutex);
    for (size_t i = 0; i < COUNT_OF(documents->at); i++) {
        struct document *document = &documents->at[i];
        if (document->key && document->until_ms <= now_ms)
            forget(document);
        if (found || !document->key || strcmp(document->key, key) != 0)
            continue;
        if (call)
            passage_give(call, &document->answer);
        found = true;
    }
    pthread_mutex_unlock(&documents->mutex);
    return found;
}

/* Takes the answer over; the oldest one makes room. */
static void keep(struct documents *documents, const char *key, struct passage_result *answer)
{
    if (answer->status != 200 || answer->body.n > LIMIT_DISCOVERY_BODY)
        return;
    pthread_mutex_lock(&documents->mutex);
    struct document *document = &documents->at[documents->next++ % COUNT_OF(documents->at)];
    forget(document);
    *document = (struct document){
        .key = memory_text(key), .answer = *answer, .until_ms = clock_monotonic_ms() + LIMIT_DISCOVERY_MS};
    *answer = (struct passage_result){0};
    pthread_mutex_unlock(&documents->mutex);
}

/* The path made anew from its decoded segments, and the one parameter that OpenAPI documents are asked for with. */
static const char *target_of(const struct call *call)
{
    AUTO_BUFFER struct buffer target = {0};
    const char *hash = request_query(call->request, "hash");
    struct slice rest = slice_skip(call->request->path, 1);
    while (rest.n) {
        AUTO_BUFFER struct buffer decoded = {0};
        if (!text_unpercent(slice_split(rest, '/', &rest), &decoded))
            return NULL;
        buffer_add_text(&target, "/");
        text_percent(buffer_slice(&decoded), &target);
    }
    if (hash) {
        buffer_add_text(&target, "?hash=");
        text_percent(slice_of(hash), &target);
    }
    return arena_text_n(call->request->arena, target.p, target.n);
}

int discovery_cluster(struct call *call, struct error *error)
{
    AUTO_PASSED struct passage_result answer = {0};
    struct documents *documents = call->server->documents;
    struct slice accept = request_header(call->request, "Accept");
    struct engine_request request = {.method = "GET",
                                     .target = target_of(call),
                                     .accept = accept.n ? arena_text_n(call->request->arena, accept.p, accept.n) : NULL,
                                     .person = call_actor(call->request)};
    if (!request.target || !engine_forwards(call->server->engine))
        return error_set(error, ERROR_NOT_FOUND, NULL, "%s", error_text(ERROR_NOT_FOUND));
    const char *key =
        arena_format(call->request->arena, "%s\n%s", request.target, request.accept ? request.accept : "");
    if (give_kept(documents, call, key))
        return 0;
    int status = passage_collect(call, &request, &answer, error);
    if (status == 0 && answer.status == 404)
        status = error_set(error, ERROR_NOT_FOUND, NULL, "%s", error_text(ERROR_NOT_FOUND));
    if (status < 0)
        return status;
    passage_give(call, &answer);
    keep(documents, key, &answer);
    return 0;
}

bool discovery_cluster_has(struct call *call, const char *group, const char *version)
{
    AUTO_PASSED struct passage_result answer = {0};
    struct error ignored = {0};
    struct documents *documents = call->server->documents;
    struct engine_request request = {.method = "GET",
                                     .target = arena_format(call->request->arena, "/apis/%s/%s", group, version),
                                     .person = call_actor(call->request)};
    const char *key = arena_format(call->request->arena, "%s\n", request.target);
    if (give_kept(documents, NULL, key))
        return true;
    if (passage_collect(call, &request, &answer, &ignored) < 0)
        return true; /* whoever asks for the object itself is told what is wrong */
    bool absent = answer.status == 404;
    keep(documents, key, &answer);
    return !absent;
}
