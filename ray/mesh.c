/* At which paths does a mesh's gateway lead to Ray's workloads? */
#include "base/log.h"
#include "ray/internal.h"
#include "tenancy/follow.h"
#include "tenancy/status.h"

#define WORKERS 4
#define ALL "all"                          /* of a namespace's: what was there before it became a profile's */
#define KEY_ALL ALL "//"                   /* of every namespace's, when this process comes to lead */
#define LABEL_OURS "atelier.dev/ray-route" /* of every VirtualService made here: "raycluster" or "rayservice" */

static const struct {
    enum engine_kind kind;
    const char *name;
} routed[] = {{KIND_RAYCLUSTER, "raycluster"}, {KIND_RAYSERVICE, "rayservice"}};

struct ray_mesh {
    struct engine *engine;
    char *gateway; /* NULL: none is named (any more), and what was made for one goes */
    char *host;    /* of this platform's own Service, which decides and reaches the workload itself */
    struct queue *queue;
    struct follow *follow;
};

static const char *name_of(const cJSON *object)
{
    return json_text_or("", object, "metadata", "name", NULL);
}

static const char *namespace_of(const cJSON *object)
{
    return json_text_or("", object, "metadata", "namespace", NULL);
}

static void add(const struct ray_mesh *mesh, const char *kind, const char *namespace, const char *name)
{
    AUTO_FREE char *key = memory_format("%s/%s/%s", kind, namespace, name);
    queue_add(mesh->queue, namespace, key);
}

/* Of its VirtualService, by which an event tells what it was made for. */
static char *route_name(size_t which, const char *namespace, const char *name)
{
    return memory_format("%s-%s-%s", routed[which].name, namespace, name);
}

/* --- what is wanted ----------------------------------------------------------------------------------------------- */

static void add_path(cJSON *matches, const char *route, const cJSON *object)
{
    AUTO_FREE char *prefix = memory_format("/%s/%s/%s/", route, namespace_of(object), name_of(object));
    json_set_text(json_object_in(json_push(matches, json_object()), "uri"), "prefix", prefix);
}

/* No timeout, which is Istio's default and the only way to say so: WebSockets and followed logs have no end of their
 * own. */
static cJSON *render(const struct ray_mesh *mesh, size_t which, const cJSON *object)
{
    cJSON *service = json_object(), *metadata = json_object_in(service, "metadata");
    cJSON *labels = json_object_in(metadata, "labels");
    AUTO_FREE char *name = route_name(which, namespace_of(object), name_of(object));
    json_set_text(metadata, "name", name);
    json_set_text(metadata, "namespace", namespace_of(object));
    json_set_text(labels, LABEL_OURS, routed[which].name);
    json_set_text(labels, "atelier.dev/profile", namespace_of(object));
    cJSON *owners = json_set(metadata, "ownerReferences", status_owner_reference(routed[which].kind, object));
    json_set_bool(owners->child, "blockOwnerDeletion", false); /* to block takes a right on Ray's own objects */
    cJSON *spec = json_object_in(service, "spec");
    json_push_text(json_set(spec, "hosts", json_array()), "*");
    json_push_text(json_set(spec, "gateways", json_array()), mesh->gateway);
    cJSON *http = json_push(json_set(spec, "http", json_array()), json_object());
    cJSON *matches = json_set(http, "match", json_array());
    add_path(matches, "ray", object);
    add_path(matches, "serve", object);
    cJSON *destination = json_object_in(json_push(json_set(http, "route", json_array()), json_object()), "destination");
    json_set_text(destination, "host", mesh->host);
    json_set_i64(json_object_in(destination, "port"), "number", 80);
    return service;
}

/* --- passes ------------------------------------------------------------------------------------------------------- */

/* Nothing is made in a namespace that is no profile's. */
static int is_profile(const struct ray_mesh *mesh, const char *namespace, struct error *error)
{
    AUTO_VIEW struct engine_view profile = {0};
    int r = engine_view(mesh->engine, KIND_PROFILE, NULL, namespace, &profile, error);
    if (r < 0)
        return r == -ERROR_NOT_FOUND ? 0 : r;
    return !json_text(profile.object, "metadata", "deletionTimestamp", NULL);
}

/* One of ours, where no gateway is named (any more) or the path is somebody else's. */
static int take_away(const struct ray_mesh *mesh, size_t which, const char *namespace, const char *name,
                     struct error *error)
{
    AUTO_FREE char *full = route_name(which, namespace, name);
    AUTO_JSON cJSON *is = NULL;
    int r = engine_get(mesh->engine, KIND_VIRTUALSERVICE, namespace, full, &is, error);
    const char *manager = json_text_or("", is, "metadata", "labels", "app.kubernetes.io/managed-by", NULL);
    if (r < 0 || strcmp(manager, "atelier") != 0 || !json_text(is, "metadata", "labels", LABEL_OURS, NULL))
        return r;
    return engine_delete(mesh->engine, KIND_VIRTUALSERVICE, namespace, full, NULL, error);
}

static int look_at(const struct ray_mesh *mesh, size_t which, const char *namespace, const char *name,
                   struct error *error)
{
    AUTO_VIEW struct engine_view view = {0};
    int r = engine_view(mesh->engine, routed[which].kind, namespace, name, &view, error);
    if (r < 0 || json_text(view.object, "metadata", "deletionTimestamp", NULL))
        return r; /* its route goes with it */
    r = is_profile(mesh, namespace, error);
    if (r <= 0)
        return r;
    if (strcmp(json_text_or("", view.object, "metadata", "annotations", RAY_ISTIO_ROUTE, NULL), "off") == 0)
        return take_away(mesh, which, namespace, name, error);
    AUTO_JSON cJSON *wanted = render(mesh, which, view.object);
    return engine_apply(mesh->engine, KIND_VIRTUALSERVICE, namespace, wanted, NULL, error);
}

static int look_at_all(const struct ray_mesh *mesh, const char *namespace, struct error *error)
{
    for (size_t i = 0; i < COUNT_OF(routed); i++) {
        AUTO_JSON cJSON *list = NULL;
        const cJSON *item;
        int r = engine_list(mesh->engine, routed[i].kind, *namespace ? namespace : NULL, NULL, &list, error);
        cJSON_ArrayForEach(item, json_member(list, "items"))
        {
            add(mesh, routed[i].name, namespace_of(item), name_of(item));
        }
        if (r < 0 && r != -ERROR_NOT_FOUND)
            return r;
    }
    return 0;
}

static int reconcile(const struct ray_mesh *mesh, struct slice key, struct error *error)
{
    struct slice rest, name;
    struct slice kind = slice_split(key, '/', &rest), namespace = slice_split(rest, '/', &name);
    AUTO_FREE char *namespace_text = memory_text_n(namespace.p ? namespace.p : "", namespace.n);
    AUTO_FREE char *name_text = memory_text_n(name.p ? name.p : "", name.n);
    if (slice_is(kind, ALL))
        return look_at_all(mesh, namespace_text, error);
    for (size_t i = 0; i < COUNT_OF(routed); i++)
        if (slice_is(kind, routed[i].name))
            return mesh->gateway ? look_at(mesh, i, namespace_text, name_text, error)
                                 : take_away(mesh, i, namespace_text, name_text, error);
    return 0;
}

static int64_t handle(void *context, const char *key)
{
    struct ray_mesh *mesh = context;
    struct error error = {0};
    int64_t result;
    if (follow_handle(mesh->follow, key, &result))
        return result;
    if (!engine_has(mesh->engine, KIND_VIRTUALSERVICE))
        return FOLLOW_ABSENT_MS;
    int r = reconcile(mesh, slice_of(key), &error);
    if (r < 0 && r != -ERROR_NOT_FOUND && r != -ERROR_CONFLICT)
        log_line(LOG_WARN, "a route to a Ray workload was not made", LOG_TEXT("key", key), LOG_FAULT(&error));
    return r == -ERROR_NOT_FOUND || r == -ERROR_EXISTS ? 0 : r; /* EXISTS: somebody else's of that name */
}

/* --- what happens ------------------------------------------------------------------------------------------------- */

static void on_seen(void *context, enum engine_kind kind, const cJSON *object)
{
    const struct ray_mesh *mesh = context;
    if (kind == KIND_PROFILE)
        add(mesh, ALL, name_of(object), "");
    for (size_t i = 0; i < COUNT_OF(routed); i++) {
        AUTO_FREE char *prefix = route_name(i, namespace_of(object), "");
        if (kind == routed[i].kind)
            add(mesh, routed[i].name, namespace_of(object), name_of(object));
        if (kind == KIND_VIRTUALSERVICE && strncmp(name_of(object), prefix, strlen(prefix)) == 0)
            add(mesh, routed[i].name, namespace_of(object), name_of(object) + strlen(prefix));
    }
}

struct ray_mesh *ray_mesh_new(struct engine *engine, const char *gateway, const char *namespace)
{
    static const enum engine_kind kinds[] = {KIND_RAYCLUSTER, KIND_RAYSERVICE, KIND_PROFILE, KIND_VIRTUALSERVICE};
    struct ray_mesh *mesh = memory_get(sizeof(*mesh));
    *mesh = (struct ray_mesh){.engine = engine, .host = memory_format("atelier.%s.svc.cluster.local", namespace)};
    if (gateway && *gateway)
        mesh->gateway = memory_text(gateway);
    size_t first = mesh->gateway ? 0 : COUNT_OF(kinds) - 1; /* then only what there is is looked at, and goes */
    mesh->queue = queue_new("ray-mesh", WORKERS, handle, mesh);
    mesh->follow = follow_new(engine, mesh->queue, kinds + first, COUNT_OF(kinds) - first, on_seen, mesh);
    if (mesh->gateway)
        follow_standing(mesh->follow, KEY_ALL);
    follow_start(mesh->follow);
    return mesh;
}

void ray_mesh_free(struct ray_mesh *mesh)
{
    if (!mesh)
        return;
    queue_stop(mesh->queue);
    follow_free(mesh->follow);
    queue_free(mesh->queue);
    free(mesh->gateway);
    free(mesh->host);
    free(mesh);
}
