/* How does a request get to the cluster's API, and the answer to its client? */
#include "controlplane/passage.h"

#include <errno.h>
#include <pthread.h>

#include "base/clock.h"
#include "base/metrics.h"

static struct metric passages_open =
    METRIC_GAUGE("atelier_api_passages", "Requests that the cluster's API is answering.");

struct passage {
    struct passages *passages;
    struct passage *next, *previous;
    int64_t user_id;
    bool endless;

    pthread_mutex_t mutex; /* guards everything below */
    pthread_cond_t changed;
    unsigned references;      /* the worker, the engine */
    struct engine_call *call; /* NULL before it is known, and once it has ended */
    struct stream *stream;    /* where data goes from now on; NULL: to <early> */
    struct buffer early, warnings;
    int status;
    char type[128];
    bool begun, ended, cancelled;
    int result;
    struct error error;
};
struct passages {
    pthread_mutex_t mutex; /* guards everything below */
    pthread_cond_t changed;
    struct passage *first;
    size_t count;
    bool stopping;
};

/* False once <until_ms> (monotonic) has passed. */
static bool wait_until(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t until_ms)
{
    struct timespec at = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};
    return pthread_cond_timedwait(condition, mutex, &at) != ETIMEDOUT;
}

/* --- life --------------------------------------------------------------------------------------------------------- */
static void release(struct passage *passage)
{
    pthread_mutex_lock(&passage->mutex);
    bool last = --passage->references == 0;
    pthread_mutex_unlock(&passage->mutex);
    if (!last)
        return;
    pthread_cond_destroy(&passage->changed);
    pthread_mutex_destroy(&passage->mutex);
    buffer_free(&passage->early);
    buffer_free(&passage->warnings);
    free(passage);
}

static void cancel(struct passage *passage)
{
    pthread_mutex_lock(&passage->mutex);
    passage->cancelled = true;
    if (passage->call)
        engine_call_cancel(passage->call);
    pthread_mutex_unlock(&passage->mutex);
}

static void on_gone(void *context)
{
    cancel(context);
}

static int enter(struct passages *passages, struct passage *passage, struct error *error)
{
    size_t own = 0;
    pthread_mutex_lock(&passages->mutex);
    for (const struct passage *other = passages->first; other; other = other->next)
        own += other->user_id == passage->user_id && other->endless;
    bool stopping = passages->stopping;
    bool room = passages->count < LIMIT_PASSAGES && (!passage->endless || own < LIMIT_PASSAGES_USER);
    if (room && !stopping) {
        passage->next = passages->first;
        if (passages->first)
            passages->first->previous = passage;
        passages->first = passage;
        metric_set(&passages_open, (int64_t)++passages->count);
    }
    pthread_mutex_unlock(&passages->mutex);
    if (stopping)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "atelierd is stopping");
    if (room)
        return 0;
    error_set(error, ERROR_LIMITED, NULL, "too many watches and logs are open (at most %d of one person)",
              LIMIT_PASSAGES_USER);
    if (error)
        error->retry_after_s = 5;
    return -ERROR_LIMITED;
}

static void leave(struct passage *passage)
{
    struct passages *passages = passage->passages;
    pthread_mutex_lock(&passages->mutex);
    if (passage->previous)
        passage->previous->next = passage->next;
    else
        passages->first = passage->next;
    if (passage->next)
        passage->next->previous = passage->previous;
    metric_set(&passages_open, (int64_t)--passages->count);
    pthread_cond_broadcast(&passages->changed);
    pthread_mutex_unlock(&passages->mutex);
}

struct passages *passages_new(void)
{
    struct passages *passages = memory_get(sizeof(*passages));
    pthread_mutex_init(&passages->mutex, NULL);
    clock_condition(&passages->changed);
    return passages;
}

void passages_stop(struct passages *passages)
{
    if (!passages)
        return;
    int64_t until_ms = clock_monotonic_ms() + LIMIT_PASSAGE_STOP_MS;
    pthread_mutex_lock(&passages->mutex);
    passages->stopping = true;
    for (struct passage *passage = passages->first; passage; passage = passage->next)
        cancel(passage);
    while (passages->first && wait_until(&passages->changed, &passages->mutex, until_ms))
        continue;
    pthread_mutex_unlock(&passages->mutex);
}

void passages_free(struct passages *passages)
{
    if (!passages)
        return;
    pthread_cond_destroy(&passages->changed);
    pthread_mutex_destroy(&passages->mutex);
    free(passages);
}

/* --- the engine's side -------------------------------------------------------------------------------------------- */
static void on_warn(void *context, const char *value)
{
    struct passage *passage = context;
    pthread_mutex_lock(&passage->mutex);
    buffer_add(&passage->warnings, value, strlen(value) + 1);
    pthread_mutex_unlock(&passage->mutex);
}

static void on_begin(void *context, int status, const char *content_type)
{
    struct passage *passage = context;
    pthread_mutex_lock(&passage->mutex);
    passage->status = status;
    snprintf(passage->type, sizeof(passage->type), "%s",
             content_type && *content_type ? content_type : "application/octet-stream");
    passage->begun = true;
    pthread_cond_signal(&passage->changed);
    pthread_mutex_unlock(&passage->mutex);
}

static bool on_data(void *context, struct slice bytes)
{
    struct passage *passage = context;
    pthread_mutex_lock(&passage->mutex);
    bool more = !passage->cancelled;
    if (more && passage->stream) {
        more = stream_write(passage->stream, bytes);
    } else if (more) {
        buffer_add_slice(&passage->early, bytes);
        more = !passage->early.failed;
        pthread_cond_signal(&passage->changed);
    }
    pthread_mutex_unlock(&passage->mutex);
    return more;
}

static void on_end(void *context, int result, const struct error *error)
{
    struct passage *passage = context;
    pthread_mutex_lock(&passage->mutex);
    struct stream *stream = passage->stream;
    passage->stream = NULL;
    passage->call = NULL;
    passage->result = result;
    if (result < 0 && error)
        passage->error = *error;
    passage->ended = true;
    pthread_cond_signal(&passage->changed);
    pthread_mutex_unlock(&passage->mutex);
    if (stream)
        stream_close(stream); /* waits for on_gone, so not under the mutex */
    leave(passage);
    release(passage);
}

static int start(struct call *call, const struct engine_request *request, bool endless, size_t most,
                 struct passage **ret, struct error *error)
{
    struct passage *passage = memory_get(sizeof(*passage));
    struct engine_call *engine_call = NULL;
    const struct engine_sink sink = {
        .warn = on_warn, .begin = on_begin, .data = on_data, .end = on_end, .context = passage};
    passage->passages = call->server->passages;
    passage->user_id = call->request->identity->user_id;
    passage->endless = endless;
    passage->early.max = most;
    passage->warnings.max = LIMIT_PASSAGE_WARNINGS;
    passage->references = 2;
    pthread_mutex_init(&passage->mutex, NULL);
    clock_condition(&passage->changed);
    int status = enter(passage->passages, passage, error);
    if (status == 0) {
        status = engine_forward(call->server->engine, request, &sink, &engine_call, error);
        if (status < 0)
            leave(passage);
    }
    if (status < 0) {
        passage->references = 1; /* the engine never had it */
        release(passage);
        return status;
    }
    pthread_mutex_lock(&passage->mutex);
    if (!passage->ended) {
        passage->call = engine_call;
        if (passage->cancelled)
            engine_call_cancel(engine_call);
    }
    pthread_mutex_unlock(&passage->mutex);
    *ret = passage;
    return 0;
}

/* --- the worker's side -------------------------------------------------------------------------------------------- */
static bool is_enough(const struct passage *passage, size_t early)
{
    if (passage->ended)
        return true;
    return passage->begun && (passage->early.n >= early || (passage->endless && passage->status < 300));
}

/* Waits for the end, or for the beginning of an answer that is worth a stream. The caller holds the mutex. */
static int wait_for_answer(struct passage *passage, size_t early, struct error *error)
{
    int64_t until_ms = clock_monotonic_ms() + LIMIT_PASSAGE_WAIT_MS;
    while (!is_enough(passage, early)) {
        if (wait_until(&passage->changed, &passage->mutex, until_ms))
            continue;
        passage->cancelled = true;
        if (passage->call)
            engine_call_cancel(passage->call);
        return error_set(error, ERROR_TIMEOUT, NULL, "the cluster's API did not answer in time");
    }
    if (passage->ended && passage->early.failed)
        return error_set(error, ERROR_TOO_LARGE, NULL, "the cluster's answer is too large");
    if (passage->ended && passage->result < 0) {
        if (error)
            *error = passage->error;
        return passage->result;
    }
    if (passage->status == 401) /* the client's own credentials were fine */
        return error_set(error, ERROR_UNAVAILABLE, NULL, "the cluster does not accept atelierd's credentials");
    return 0;
}

/* What the cluster has to say of a request besides: whoever sent it should read it. */
static void give_warnings(const struct call *call, const struct buffer *warnings)
{
    for (size_t at = 0; at < warnings->n; at += strlen(warnings->p + at) + 1)
        response_header(call->response, "Warning", warnings->p + at);
}

/* Hands the rest over to a stream. The caller holds the mutex; *ret_close is to be closed after it is given up. */
static void become_stream(struct passage *passage, const struct call *call, const struct access *access,
                          struct stream **ret_close)
{
    response_status(call->response, passage->status);
    response_header(call->response, "Cache-Control", "no-store");
    give_warnings(call, &passage->warnings);
    struct stream *stream = response_stream(call->response, passage->type, access, false);
    stream_on_gone(stream, on_gone, passage);
    if (passage->early.n)
        stream_write(stream, buffer_slice(&passage->early));
    buffer_free(&passage->early);
    if (passage->ended)
        *ret_close = stream;
    else
        passage->stream = stream;
}

int passage_answer(struct call *call, const struct engine_request *request, const struct access *access, bool endless,
                   struct error *error)
{
    struct passage *passage = NULL;
    struct stream *closing = NULL;
    int status = start(call, request, endless, LIMIT_PASSAGE_EARLY_MAX, &passage, error);
    if (status < 0)
        return status;
    pthread_mutex_lock(&passage->mutex);
    status = wait_for_answer(passage, LIMIT_PASSAGE_EARLY, error);
    if (status == 0 && passage->status == 404)
        status = error_set(error, ERROR_NOT_FOUND, NULL, "%s", error_text(ERROR_NOT_FOUND));
    if (status < 0) {
        passage->cancelled = true;
        if (passage->call)
            engine_call_cancel(passage->call);
    } else if (passage->ended) {
        response_status(call->response, passage->status);
        response_header(call->response, "Cache-Control", "no-store");
        give_warnings(call, &passage->warnings);
        response_body(call->response, passage->type, buffer_slice(&passage->early));
    } else {
        become_stream(passage, call, access, &closing);
    }
    pthread_mutex_unlock(&passage->mutex);
    if (closing)
        stream_close(closing);
    release(passage);
    return status;
}

int passage_collect(struct call *call, const struct engine_request *request, struct passage_result *ret,
                    struct error *error)
{
    struct passage *passage = NULL;
    int status = start(call, request, false, LIMIT_PASSAGE_BODY, &passage, error);
    *ret = (struct passage_result){0};
    if (status < 0)
        return status;
    pthread_mutex_lock(&passage->mutex);
    status = wait_for_answer(passage, SIZE_MAX, error);
    if (status == 0) {
        ret->status = passage->status;
        snprintf(ret->type, sizeof(ret->type), "%s", passage->type);
        ret->body = passage->early;
        passage->early = (struct buffer){0};
        ret->warnings = passage->warnings;
        passage->warnings = (struct buffer){0};
    }
    pthread_mutex_unlock(&passage->mutex);
    release(passage);
    return status;
}

void passage_give(const struct call *call, const struct passage_result *result)
{
    response_status(call->response, result->status);
    response_header(call->response, "Cache-Control", "no-store");
    give_warnings(call, &result->warnings);
    response_body(call->response, result->type, buffer_slice(&result->body));
}

/* --- what an answer means ----------------------------------------------------------------------------------------- */
static int status_error(int http_status, const cJSON *status, struct error *error)
{
    static const struct {
        int status;
        enum error_code code;
    } codes[] = {{400, ERROR_BAD_REQUEST},    {403, ERROR_FORBIDDEN}, {404, ERROR_NOT_FOUND}, {405, ERROR_METHOD},
                 {406, ERROR_NOT_ACCEPTABLE}, {409, ERROR_CONFLICT},  {410, ERROR_GONE},      {413, ERROR_TOO_LARGE},
                 {415, ERROR_MEDIA_TYPE},     {422, ERROR_INVALID},   {429, ERROR_LIMITED},   {503, ERROR_UNAVAILABLE},
                 {504, ERROR_TIMEOUT}};
    enum error_code code = ERROR_UPSTREAM;
    const char *message = json_text(status, "message", NULL);
    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        if (codes[i].status == http_status)
            code = codes[i].code;
    }
    if (http_status == 409 && strcmp(json_text_or("", status, "reason", NULL), "AlreadyExists") == 0)
        code = ERROR_EXISTS;
    return error_set(error, code, NULL, "%s", message && *message ? message : error_text(code));
}

int passage_json(const struct passage_result *result, cJSON **ret, struct error *error)
{
    static const struct json_limits limits = {
        .bytes = LIMIT_PASSAGE_BODY, .depth = 64, .values = 1000000, .keys = 65536};
    AUTO_JSON cJSON *value = NULL;
    int status = json_parse(buffer_slice(&result->body), &limits, &value, NULL);
    if (result->status >= 300)
        return status_error(result->status, value, error);
    if (status < 0 || !cJSON_IsObject(value))
        return error_set(error, ERROR_UPSTREAM, NULL, "the cluster's answer is not a JSON object");
    *ret = TAKE_POINTER(value);
    return 0;
}
