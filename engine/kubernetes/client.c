/* How does any thread ask the API server for something? */
#include "engine/kubernetes/client.h"

#include <strings.h>

#include "base/clock.h"
#include "base/random.h"
#include "engine/kubernetes/client_internal.h"
#include "engine/kubernetes/status.h"

#define STREAM_MAGIC 0x6b737472u
#define DEADLINE_NONE (INT64_MAX / 4) /* sums of times stay far from overflow */

/* --- the client ----------------------------------------------------------------------------------------------------
 */

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void start_curl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

static void credential_has_changed(void *context)
{
    struct kube_client *client = context;
    pthread_mutex_lock(&client->lock);
    client->renewed = true;
    client_wake(client);
    pthread_mutex_unlock(&client->lock);
}

/* libcurl takes the name for TLS from the URL: with a tls-server-name the URL has that one, and is told where it is. */
static void set_addresses(struct kube_client *client)
{
    const struct kube_config *config = &client->config;
    if (!config->tls_server_name) {
        client->base = memory_text(config->server);
        return;
    }
    struct slice path, host = slice_split(slice_skip(slice_of(config->server), 8), '/', &path);
    const char *bracket = memrchr(host.p, ']', host.n), *colon = memrchr(host.p, ':', host.n);
    bool has_port = colon && (!bracket || colon > bracket);
    struct slice name = {host.p, has_port ? (size_t)(colon - host.p) : host.n};
    struct slice port = has_port ? slice_skip(host, name.n + 1) : SLICE("443");
    client->base = memory_format("https://%s:%.*s%s%.*s", config->tls_server_name, (int)port.n, port.p,
                                 path.n ? "/" : "", (int)path.n, path.p ? path.p : "");
    client->host = memory_format("Host: %.*s", (int)host.n, host.p);
    client->connect_to.data = memory_format("::%.*s:%.*s", (int)name.n, name.p, (int)port.n, port.p);
}

static void set_multi(CURLM *multi)
{
    curl_multi_setopt(multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
    curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)CLIENT_CONNECTIONS_MAX);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)CLIENT_CONNECTIONS_MAX);
    curl_multi_setopt(multi, CURLMOPT_MAX_CONCURRENT_STREAMS, (long)CLIENT_STREAMS_A_CONNECTION);
}

int kube_client_new(const struct kube_config *config, struct kube_client **ret, struct error *error)
{
    pthread_once(&curl_once, start_curl);
    struct kube_client *client = memory_get(sizeof(*client));
    pthread_mutex_init(&client->lock, NULL);
    kube_config_copy(config, &client->config);
    set_addresses(client);
    random_bytes(&client->dice, sizeof(client->dice));
    client->multi = curl_multi_init();
    if (client->multi) {
        set_multi(client->multi);
        client->credential = credential_new(config, credential_has_changed, client);
        client->started = pthread_create(&client->thread, NULL, client_run, client) == 0;
    }
    if (!client->started) {
        kube_client_free(client);
        return error_set(error, ERROR_UNAVAILABLE, NULL, "the client of the Kubernetes API cannot be started");
    }
    *ret = client;
    return 0;
}

void kube_client_free(struct kube_client *client)
{
    if (!client)
        return;
    pthread_mutex_lock(&client->lock);
    client->stopping = true;
    client_wake(client);
    pthread_mutex_unlock(&client->lock);
    if (client->started)
        pthread_join(client->thread, NULL);
    credential_free(client->credential);
    curl_multi_cleanup(client->multi);
    kube_config_free(&client->config);
    pthread_mutex_destroy(&client->lock);
    free(client->base);
    free(client->host);
    free(client->connect_to.data);
    free(client);
}

const struct kube_config *kube_client_config(const struct kube_client *client)
{
    return &client->config;
}

/* --- requests ------------------------------------------------------------------------------------------------------
 */

static int check_line(const char *line, struct error *error)
{
    if (strpbrk(line, "\r\n") || !strchr(line, ':'))
        return error_set(error, ERROR_INTERNAL, NULL, "a header line must be \"Name: value\"");
    return 0;
}

static int check_request(const struct kube_request *request, struct error *error)
{
    const char *const lines[] = {request->accept, request->content_type};
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        if (lines[i] && strpbrk(lines[i], "\r\n"))
            return error_set(error, ERROR_BAD_REQUEST, NULL, "a media type must be one line");
    }
    if (request->target[0] != '/' || strlen(request->target) > CLIENT_TARGET_BYTES_MAX)
        return error_set(error, ERROR_BAD_REQUEST, NULL, "a target must be a path of at most %d bytes",
                         CLIENT_TARGET_BYTES_MAX);
    for (const char *p = request->target; *p; p++) {
        if (*p <= ' ' || *p > '~' || *p == '#' || *p == '\\')
            return error_set(error, ERROR_BAD_REQUEST, NULL, "a target must be percent-encoded");
    }
    for (const char *p = request->method; *p; p++) {
        if (*p < 'A' || *p > 'Z')
            return error_set(error, ERROR_BAD_REQUEST, NULL, "a method must be in capitals");
    }
    if (request->body.n > CLIENT_BODY_BYTES_MAX)
        return error_set(error, ERROR_TOO_LARGE, NULL, "a request body may have at most %zu bytes",
                         CLIENT_BODY_BYTES_MAX);
    for (size_t i = 0; request->headers && request->headers[i]; i++) {
        int failed = check_line(request->headers[i], error);
        if (failed)
            return failed;
    }
    return 0;
}

/* Line 0 stays free for the credential. "Expect:" and an empty "Content-Type:" keep libcurl from adding its own. */
static void set_lines(struct kube_stream *stream, const struct kube_request *request)
{
    size_t further = 0, count = 0;
    while (request->headers && request->headers[further])
        further++;
    stream->texts = memory_get((further + 5) * sizeof(*stream->texts));
    stream->texts[count++] = memory_format("Accept: %s", request->accept ? request->accept : "application/json");
    stream->texts[count++] = memory_format(request->content_type ? "Content-Type: %s" : "Content-Type:%s",
                                           request->content_type ? request->content_type : "");
    stream->texts[count++] = memory_text("Expect:");
    if (stream->client->host)
        stream->texts[count++] = memory_text(stream->client->host);
    for (size_t i = 0; i < further; i++)
        stream->texts[count++] = memory_text(request->headers[i]);
    stream->lines = memory_get((count + 1) * sizeof(*stream->lines));
    for (size_t i = 0; i < count; i++) {
        stream->lines[i].next = &stream->lines[i + 1];
        stream->lines[i + 1].data = stream->texts[i];
    }
}

/* Twice is as good as once: what RFC 9110 calls idempotent, and server-side apply. (A DELETE or PUT whose first answer
 * was lost may say NOT_FOUND or CONFLICT the second time, as it would had somebody else been first.) */
static bool is_repeatable(const struct kube_request *request)
{
    static const char *const methods[] = {"GET", "HEAD", "OPTIONS", "PUT", "DELETE"};
    for (size_t i = 0; i < COUNT_OF(methods); i++) {
        if (strcmp(request->method, methods[i]) == 0)
            return true;
    }
    return strcmp(request->method, "PATCH") == 0 && request->content_type &&
           strncmp(request->content_type, "application/apply-patch", 23) == 0;
}

static void count_request(struct kube_client *client, const struct kube_request *request)
{
    bool read = strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
    _Atomic uint64_t *counter = !read ? &client->writes : request->deadline_ms < 0 ? &client->watches : &client->reads;
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static int stream_new(struct kube_client *client, const struct kube_request *request, const struct kube_sink *sink,
                      bool borrow_body, struct kube_stream **ret, struct error *error)
{
    int failed = check_request(request, error);
    if (failed)
        return failed;
    struct kube_stream *stream = memory_get(sizeof(*stream));
    stream->magic = STREAM_MAGIC;
    stream->client = client;
    stream->method = memory_text(request->method);
    stream->url = memory_format("%s%s", client->base, request->target);
    stream->body = request->body;
    if (!borrow_body && request->body.n)
        stream->body.p = stream->body_copy = memory_text_n(request->body.p, request->body.n);
    set_lines(stream, request);
    stream->repeatable = is_repeatable(request);
    stream->once = request->once;
    stream->endless = request->deadline_ms < 0;
    stream->silence_ms = request->silence_ms;
    int64_t deadline_ms = request->deadline_ms > 0 ? request->deadline_ms : CLIENT_DEADLINE_MS;
    stream->deadline_at_ms = clock_monotonic_ms() + deadline_ms;
    stream->sink = *sink;
    *ret = stream;
    return 0;
}

void stream_free(struct kube_stream *stream)
{
    for (size_t i = 0; stream->texts[i]; i++)
        free(stream->texts[i]);
    stream->magic = 0;
    free(stream->texts);
    free(stream->lines);
    free(stream->method);
    free(stream->url);
    free(stream->body_copy);
    free(stream);
}

static int submit(struct kube_stream *stream, struct error *error)
{
    struct kube_client *client = stream->client;
    pthread_mutex_lock(&client->lock);
    bool stopping = client->stopping;
    if (!stopping) {
        stream->state = STREAM_SUBMITTED;
        stream_append(&client->submitted, stream);
        client_wake(client);
    }
    pthread_mutex_unlock(&client->lock);
    if (!stopping)
        return 0;
    stream_free(stream);
    return error_set(error, ERROR_UNAVAILABLE, NULL, "the connection to the Kubernetes API is being closed");
}

int kube_stream_start(struct kube_client *client, const struct kube_request *request, const struct kube_sink *sink,
                      struct kube_stream **ret, struct error *error)
{
    struct kube_stream *stream;
    int failed = stream_new(client, request, sink, false, &stream, error);
    if (failed)
        return failed;
    if (stream->endless && atomic_fetch_add_explicit(&client->endless, 1, memory_order_relaxed) >= CLIENT_ENDLESS_MAX) {
        atomic_fetch_sub_explicit(&client->endless, 1, memory_order_relaxed);
        stream_free(stream);
        return error_set(error, ERROR_LIMITED, NULL, "at most %d watches and followed logs are open at once",
                         CLIENT_ENDLESS_MAX);
    }
    bool endless = stream->endless;
    *ret = stream; /* before it can end */
    count_request(client, request);
    failed = submit(stream, error);
    if (failed && endless)
        atomic_fetch_sub_explicit(&client->endless, 1, memory_order_relaxed);
    return failed;
}

void kube_stream_cancel(struct kube_stream *stream)
{
    struct kube_client *client = stream->client;
    pthread_mutex_lock(&client->lock);
    if (!stream->cancelled) {
        stream->cancelled = stream->in_cancelled = true;
        stream->next_cancelled = client->cancelled;
        client->cancelled = stream;
        client_wake(client);
    }
    pthread_mutex_unlock(&client->lock);
}

/* --- blocking calls ------------------------------------------------------------------------------------------------
 */

struct call {
    int status, retry_after_s, result;
    struct buffer body;
    struct error error;
    pthread_mutex_t lock; /* guards <done>, and that this is gone when it is set */
    pthread_cond_t ended;
    bool done;
};

static void call_begin(void *context, int status, const char *content_type, int retry_after_s)
{
    struct call *call = context;
    (void)content_type;
    call->status = status;
    call->retry_after_s = retry_after_s;
}

static bool call_data(void *context, struct slice bytes)
{
    struct call *call = context;
    buffer_add_slice(&call->body, bytes);
    return !call->body.failed;
}

static void call_end(void *context, int result, const struct error *error)
{
    struct call *call = context;
    pthread_mutex_lock(&call->lock);
    call->result = result;
    call->error = *error;
    call->done = true;
    pthread_cond_signal(&call->ended);
    pthread_mutex_unlock(&call->lock);
}

static int wait_for_end(struct call *call, struct kube_stream *stream, struct error *error)
{
    int failed = submit(stream, error);
    if (failed)
        return failed;
    pthread_mutex_lock(&call->lock);
    while (!call->done)
        pthread_cond_wait(&call->ended, &call->lock);
    pthread_mutex_unlock(&call->lock);
    if (call->body.failed)
        return error_set(error, ERROR_TOO_LARGE, NULL, "the API server's answer has more than %zu bytes",
                         call->body.max);
    if (call->result && error)
        *error = call->error;
    if (call->result)
        return call->result;
    if (call->status >= 300)
        return kube_status_error(call->status, call->retry_after_s, buffer_slice(&call->body), error);
    return 0;
}

static int call_made(struct kube_client *client, const struct kube_request *request, struct call *call,
                     struct error *error)
{
    const struct kube_sink sink = {.begin = call_begin, .data = call_data, .end = call_end, .context = call};
    struct kube_stream *stream;
    struct kube_request bounded = *request;
    if (bounded.deadline_ms < 0)
        bounded.deadline_ms = 0;
    int failed = stream_new(client, &bounded, &sink, true, &stream, error);
    if (failed)
        return failed;
    call->body.max = CLIENT_ANSWER_BYTES_MAX;
    pthread_mutex_init(&call->lock, NULL);
    pthread_cond_init(&call->ended, NULL);
    count_request(client, &bounded);
    failed = wait_for_end(call, stream, error);
    pthread_cond_destroy(&call->ended);
    pthread_mutex_destroy(&call->lock);
    return failed;
}

int kube_call(struct kube_client *client, const struct kube_request *request, cJSON **ret, struct error *error)
{
    struct call call = {0};
    int failed = call_made(client, request, &call, error);
    if (!failed && ret)
        failed = kube_json_parse(call.body.p, call.body.n, ret, error);
    buffer_free(&call.body);
    return failed;
}

int kube_call_text(struct kube_client *client, const struct kube_request *request, struct buffer *ret,
                   struct error *error)
{
    struct call call = {0};
    int failed = call_made(client, request, &call, error);
    if (!failed)
        buffer_add_slice(ret, buffer_slice(&call.body));
    buffer_free(&call.body);
    return failed;
}

/* --- what others of this room need ---------------------------------------------------------------------------------
 */

struct credential_view *kube_client_credential(struct kube_client *client)
{
    return credential_current(client->credential);
}

int kube_client_authorization(struct kube_client *client, char **ret, struct error *error)
{
    struct credential_view *view = credential_current(client->credential);
    if (!view)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "there is no credential for the Kubernetes API yet");
    *ret = view->header ? memory_format("%s\r\n", view->header) : memory_text("");
    credential_release(view);
    return 0;
}

void kube_client_counts(const struct kube_client *client, struct kube_counts *ret)
{
    *ret = (struct kube_counts){
        .reads = atomic_load_explicit(&client->reads, memory_order_relaxed),
        .writes = atomic_load_explicit(&client->writes, memory_order_relaxed),
        .watches = atomic_load_explicit(&client->watches, memory_order_relaxed),
        .retries = atomic_load_explicit(&client->retries, memory_order_relaxed),
        .throttled = atomic_load_explicit(&client->throttled, memory_order_relaxed),
    };
}
