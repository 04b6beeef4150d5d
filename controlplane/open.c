/* At which address does a browser open a resource? */
#include "controlplane/handlers.h"

struct openable {
    const char *name;        /* as in ?kind= */
    const char *path, *kind; /* first segment of its path; for authorization */
    enum engine_kind engine_kind;
};

static const struct openable *find_openable(const char *name)
{
    static const struct openable openables[] = {{"Notebook", "notebook", "Notebook", KIND_NOTEBOOK},
                                                {"RayCluster", "ray", "RayCluster", KIND_RAYCLUSTER},
                                                {"Serve", "serve", "RayCluster", KIND_RAYCLUSTER}};
    for (size_t i = 0; i < COUNT_OF(openables); i++) {
        if (name && strcmp(name, openables[i].name) == 0)
            return &openables[i];
    }
    return NULL;
}

static int query_label(const struct call *call, const char *parameter, const char **ret, struct error *error)
{
    const char *text = request_query(call->request, parameter);
    if (!text || !name_is_label(slice_of(text)))
        return error_set(error, ERROR_BAD_REQUEST, parameter, "%s must be a name", parameter);
    *ret = text;
    return 0;
}

/* "rayclient-rc1--alice.localhost:8443" on the https port, where gRPC is: the caller's own, if they came by it. */
static const char *grpc_address(const struct call *call, const char *label_kind, const char *namespace,
                                const char *name)
{
    const struct request *request = call->request;
    const struct config *config = &call->server->config;
    const char *colon = strrchr(config->tls_listen.text, ':');
    const char *port = colon ? colon + 1 : "";
    char label[64];
    if (request->secure && request->host.n) {
        const char *given = memrchr(request->host.p, ':', request->host.n);
        size_t length = given ? (size_t)(request->host.p + request->host.n - given - 1) : 0;
        bool bare = !given || memchr(given, ']', length + 1);
        port = bare ? "443" : arena_format(request->arena, "%.*s", (int)length, given + 1);
    }
    if (!*port)
        return NULL;
    resource_label(label_kind, namespace, name, label);
    return arena_format(request->arena, "%s.%s:%s", label, config->base_domain.text, port);
}

/* Of a cluster, which Ray Client and Serve's gRPC reach by hosts of their own. */
static void add_grpc(const struct call *call, const char *namespace, const char *name, cJSON *answer)
{
    const char *serve = grpc_address(call, "grpc", namespace, name);
    if (!serve)
        return; /* nothing here speaks TLS */
    json_set_text(answer, "rayClient", grpc_address(call, "rayclient", namespace, name));
    json_set_text(answer, "serveGrpc", serve);
}

/* The main host's path: there a browser's session is, and from there it is handed over to the resource's host. Whoever
 * asks without a browser gets the proper name, where sign-in links lead too. */
int open_get(struct call *call, struct error *error)
{
    const struct openable *what = find_openable(request_query(call->request, "kind"));
    const char *namespace = NULL, *name = NULL;
    AUTO_JSON cJSON *answer = json_object(), *object = NULL;
    if (!what)
        return error_set(error, ERROR_BAD_REQUEST, "kind", "kind must be Notebook, RayCluster or Serve");
    int status = query_label(call, "namespace", &namespace, error);
    if (status == 0)
        status = query_label(call, "name", &name, error);
    if (status < 0)
        return status;
    struct decision decision = call_decide(call, namespace, what->kind, name, VERB_CONNECT_READ);
    status = call_refuse(&decision, error);
    if (status == 0)
        status = engine_get(call->server->engine, what->engine_kind, namespace, name, &object, error);
    if (status < 0)
        return status;
    bool browser = call->request->identity->kind == IDENTITY_SESSION;
    const char *origin = browser ? call_main_origin(call) : call_link_origin(call);
    json_set_text(answer, "url",
                  arena_format(call->request->arena, "%s/%s/%s/%s/", origin, what->path, namespace, name));
    if (what->engine_kind == KIND_RAYCLUSTER)
        add_grpc(call, namespace, name, answer);
    call_json(call, 200, answer);
    return 0;
}
