/* How does a person's request reach the cluster's own API, in the person's role? */
#include "engine/kubernetes/internal.h"
#include "engine/kubernetes/relay.h"

#define FORWARD_DEADLINE_MS 60000 /* the API server's own for what is no watch */

/*
 * Whoever Atelier passes on is a ServiceAccount that exists by name only: RBAC can bound what may be impersonated by
 * namespace for these, but not by prefix for users or groups. The person goes along for the audit log.
 */
char *role_header(const struct kubernetes *kubernetes, const char *namespace, const char *role)
{
    if (!namespace || !role)
        return memory_format("Impersonate-User: system:serviceaccount:%s:nobody", kubernetes->tenant_namespace);
    return memory_format("Impersonate-User: system:serviceaccount:%s:%s.%s", kubernetes->tenant_namespace, namespace,
                         role);
}

static char *person_header(const struct engine_request *request)
{
    if (!request->person || !request->person[0])
        return NULL;
    return memory_format("Impersonate-Extra-atelier.dev%%2Fperson: %s", request->person);
}

/* --- requests ----------------------------------------------------------------------------------------------------- */

struct forward_call {
    struct engine_call base;
    struct engine_sink sink;
    struct kube_stream *stream;
    _Atomic unsigned holders; /* who started it, until that has returned; and the stream, until its end */
};

static void release(struct forward_call *call)
{
    if (atomic_fetch_sub(&call->holders, 1) == 1)
        free(call);
}

static void on_warn(void *context, const char *value)
{
    const struct engine_sink *sink = &((struct forward_call *)context)->sink;
    if (sink->warn)
        sink->warn(sink->context, value);
}

static void on_begin(void *context, int status, const char *content_type, int retry_after_s)
{
    const struct engine_sink *sink = &((struct forward_call *)context)->sink;
    (void)retry_after_s;
    sink->begin(sink->context, status, content_type);
}

static bool on_data(void *context, struct slice bytes)
{
    const struct engine_sink *sink = &((struct forward_call *)context)->sink;
    return sink->data(sink->context, bytes);
}

static void on_end(void *context, int result, const struct error *error)
{
    struct forward_call *call = context;
    call->sink.end(call->sink.context, result, error);
    release(call);
}

static bool asks(const char *target, const char *key)
{
    const char *query = strchr(target, '?');
    size_t length = strlen(key);
    for (const char *at = query; at; at = strchr(at + 1, '&')) {
        if (strncmp(at + 1, key, length) != 0 || at[1 + length] != '=')
            continue;
        const char *value = at + 2 + length;
        if (strncmp(value, "1", 1) == 0 || strncmp(value, "true", 4) == 0)
            return true;
    }
    return false;
}

int forward_start(struct engine *engine, const struct engine_request *request, const struct engine_sink *sink,
                  struct engine_call **ret, struct error *error)
{
    struct kubernetes *kubernetes = kubernetes_of(engine);
    AUTO_FREE char *role = role_header(kubernetes, request->namespace, request->role);
    AUTO_FREE char *person = person_header(request);
    const char *const headers[] = {role, person, NULL};
    bool endless = asks(request->target, "watch") || asks(request->target, "follow");
    struct forward_call *call = memory_get(sizeof(*call));
    call->base.engine = engine;
    call->sink = *sink;
    atomic_init(&call->holders, 2);
    const struct kube_request passed = {.method = request->method,
                                        .target = request->target,
                                        .accept = request->accept,
                                        .content_type = request->content_type,
                                        .body = request->body,
                                        .headers = headers,
                                        .deadline_ms = endless ? -1 : FORWARD_DEADLINE_MS,
                                        .once = true};
    const struct kube_sink own = {.warn = on_warn, .begin = on_begin, .data = on_data, .end = on_end, .context = call};
    struct kube_stream *stream = NULL;
    int r = kube_stream_start(kubernetes->client, &passed, &own, &stream, error);
    if (r < 0) {
        free(call);
        return r;
    }
    call->stream = stream;
    *ret = &call->base;
    release(call);
    return 0;
}

void forward_cancel(struct engine_call *call)
{
    kube_stream_cancel(((struct forward_call *)(void *)call)->stream);
}

/* --- connections -------------------------------------------------------------------------------------------------- */

int forward_dial(struct engine *engine, const struct engine_request *as, int *ret_fd, char **ret_headers,
                 struct error *error)
{
    struct kubernetes *kubernetes = kubernetes_of(engine);
    char *authorization = NULL;
    int r = kube_client_authorization(kubernetes->client, &authorization, error);
    if (r < 0)
        return r;
    AUTO_FREE char *credential = authorization;
    AUTO_FREE char *role = role_header(kubernetes, as->namespace, as->role);
    AUTO_FREE char *person = person_header(as);
    r = kube_relay_open(kubernetes->client, ret_fd, error);
    if (r == 0)
        *ret_headers = memory_format("%s%s\r\n%s%s", credential, role, person ? person : "", person ? "\r\n" : "");
    memory_wipe(credential, strlen(credential));
    return r;
}
