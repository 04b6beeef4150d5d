/* What does an object say about where a tenant's path leads? */
#include "controlplane/route_tables.h"

#include "controlplane/object_key.h"
#include "gateway/gateway.h"
#include "ray/public.h"
#include "ray/resume.h"
#include "tenancy/tenancy.h"

void route_text(char *ret, size_t size, const char *text)
{
    snprintf(ret, size, "%.*s", (int)size - 1, text ? text : "");
}

/* --- one object --------------------------------------------------------------------------------------------------- */

/* Of the controller of that kind, in <object>, its "name" or "uid"; NULL if it has none. */
static const char *controller_of(const cJSON *object, const char *kind, const char *member)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, json_at(object, "metadata", "ownerReferences", NULL))
    {
        if (json_true(item, "controller", NULL) && strcmp(json_text_or("", item, "kind", NULL), kind) == 0)
            return json_text(item, member, NULL);
    }
    return NULL;
}

static struct route_service *read_service(const cJSON *object)
{
    struct route_service *service = memory_get(sizeof(*service));
    const char *kind = NULL, *name = NULL;
    const cJSON *item;
    tenancy_scope(KIND_SERVICE, object, &kind, &name);
    route_text(service->name, sizeof(service->name), json_text(object, "metadata", "name", NULL));
    route_text(service->owner_kind, sizeof(service->owner_kind), kind);
    route_text(service->owner_name, sizeof(service->owner_name), name);
    service->head = strcmp(json_text_or("", object, "metadata", "labels", "ray.io/node-type", NULL), "head") == 0 ||
                    strcmp(json_text_or("", object, "spec", "selector", "ray.io/node-type", NULL), "head") == 0;
    service->ray_service = controller_of(object, "RayService", "name") != NULL;
    service->clusters = service->head && controller_of(object, "RayCluster", "name") != NULL;
    cJSON_ArrayForEach(item, json_at(object, "spec", "ports", NULL))
    {
        if (service->port_count == ROUTE_PORTS_MAX)
            break;
        struct route_port *port = &service->ports[service->port_count++];
        route_text(port->name, sizeof(port->name), json_text(item, "name", NULL));
        json_i64(json_member(item, "port"), &port->number);
    }
    return service;
}

static void put_service(struct route_tables *tables, const char *namespace, const char *name, const cJSON *object)
{
    char key[OBJECT_KEY_SIZE];
    struct route_service *service = object ? read_service(object) : NULL;
    struct route_service *old = service ? map_put(tables->services, object_key(key, namespace, name), service)
                                        : map_remove(tables->services, object_key(key, namespace, name));
    if (old && old->clusters) {
        char *head = map_get(tables->heads, object_key(key, namespace, old->owner_name));
        if (head && strcmp(head, name) == 0)
            free(map_remove(tables->heads, object_key(key, namespace, old->owner_name)));
    }
    if (service && service->clusters)
        free(map_put(tables->heads, object_key(key, namespace, service->owner_name), memory_text(name)));
    free(old);
}

/* Only what is a workload's credential is kept; other Secrets never enter this table. */
static char *read_token(const cJSON *secret)
{
    AUTO_BUFFER struct buffer token = {0};
    if (json_text(secret, "data", "auth_token", NULL))
        return ray_token_read(secret);
    const char *encoded = json_text(secret, "metadata", "labels", "atelier.dev/notebook", NULL)
                              ? json_text(secret, "data", "token", NULL)
                              : NULL;
    if (!encoded || !text_unbase64(slice_of(encoded), &token) || token.n == 0)
        return NULL;
    return buffer_take(&token);
}

static void put_token(struct route_tables *tables, const char *namespace, const char *name, const cJSON *object)
{
    char key[OBJECT_KEY_SIZE];
    struct slice at = object_key(key, namespace, name);
    char *token = object ? read_token(object) : NULL;
    ray_token_free(token ? map_put(tables->tokens, at, token) : map_remove(tables->tokens, at));
}

static void release_cluster(void *value)
{
    struct route_cluster *cluster = value;
    if (!cluster)
        return;
    free(cluster->public);
    free(cluster);
}

static struct route_cluster *read_cluster(const cJSON *object)
{
    struct route_cluster *cluster = memory_get(sizeof(*cluster));
    ray_token_secret(object, cluster->secret, &cluster->own);
    route_text(cluster->uid, sizeof(cluster->uid), json_text(object, "metadata", "uid", NULL));
    route_text(cluster->ray_service, sizeof(cluster->ray_service), controller_of(object, "RayService", "name"));
    route_text(cluster->service_uid, sizeof(cluster->service_uid), controller_of(object, "RayService", "uid"));
    cluster->public = memory_text(ray_public(object));
    cluster->starting = ray_is_starting(object);
    for (enum idle_resume profile = IDLE_RESUME_UNSAID; profile <= IDLE_RESUME_ALWAYS; profile++)
        cluster->resumes[profile] = ray_resumes(object, profile);
    return cluster;
}

/* <labels>: of the one kind or the other. */
static void put_labels(struct map *labels, const char *namespace, const char *name, bool gone)
{
    static const char *const kinds[] = {"rayclient", "grpc"};
    if (strlen(namespace) > 63 || strlen(name) > 63)
        return; /* no host's, then */
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        char label[64];
        resource_label(kinds[i], namespace, name, label);
        if (!strstr(label, "---"))
            continue;
        struct route_label *names = gone ? NULL : memory_get(sizeof(*names));
        if (names) {
            route_text(names->namespace, sizeof(names->namespace), namespace);
            route_text(names->name, sizeof(names->name), name);
        }
        free(names ? map_put(labels, slice_of(label), names) : map_remove(labels, slice_of(label)));
    }
}

static void put_cluster(struct route_tables *tables, const char *namespace, const char *name, const cJSON *object)
{
    char key[OBJECT_KEY_SIZE];
    struct slice at = object_key(key, namespace, name);
    struct route_cluster *cluster = object ? read_cluster(object) : NULL;
    release_cluster(cluster ? map_put(tables->clusters, at, cluster) : map_remove(tables->clusters, at));
    if (object)
        token_search_follow(tables->search, object);
    else
        token_search_forget(tables->search, namespace, name);
    put_labels(tables->labels[0], namespace, name, !object);
}

static void release_serving(void *value)
{
    struct route_serving *serving = value;
    if (!serving)
        return;
    free(serving->prefixes);
    free(serving->applications);
    free(serving);
}

static struct route_serving *read_serving(const cJSON *service)
{
    struct route_serving *serving = memory_get(sizeof(*serving));
    AUTO_BUFFER struct buffer applications = {0};
    ray_serve_applications(service, &applications);
    serving->prefixes = memory_text(ray_public(service));
    serving->applications = memory_text(applications.p ? applications.p : "");
    route_text(serving->cluster, sizeof(serving->cluster),
               json_text(service, "status", "activeServiceStatus", "rayClusterName", NULL));
    return serving;
}

static void put_ray_service(struct route_tables *tables, const char *namespace, const char *name, const cJSON *object)
{
    char key[OBJECT_KEY_SIZE];
    struct slice at = object_key(key, namespace, name);
    release_serving(object ? map_put(tables->serving, at, read_serving(object)) : map_remove(tables->serving, at));
    put_labels(tables->labels[1], namespace, name, !object);
}

static void put_profile(struct route_tables *tables, const char *name, const cJSON *object)
{
    enum idle_resume said = object ? idle_resume_said(object) : IDLE_RESUME_UNSAID;
    enum idle_resume *kept = NULL;
    if (said != IDLE_RESUME_UNSAID) {
        kept = memory_get(sizeof(*kept));
        *kept = said;
    }
    free(kept ? map_put(tables->profiles, slice_of(name), kept) : map_remove(tables->profiles, slice_of(name)));
}

void route_tables_put(struct route_tables *tables, enum engine_kind kind, const cJSON *object, bool gone)
{
    const char *namespace = json_text(object, "metadata", "namespace", NULL);
    const char *name = json_text(object, "metadata", "name", NULL);
    if (kind == KIND_PROFILE && name)
        put_profile(tables, name, gone ? NULL : object);
    if (!namespace || !name)
        return;
    if (kind == KIND_SERVICE)
        put_service(tables, namespace, name, gone ? NULL : object);
    else if (kind == KIND_SECRET)
        put_token(tables, namespace, name, gone ? NULL : object);
    else if (kind == KIND_RAYCLUSTER)
        put_cluster(tables, namespace, name, gone ? NULL : object);
    else if (kind == KIND_RAYSERVICE)
        put_ray_service(tables, namespace, name, gone ? NULL : object);
}

/* --- all of a kind ------------------------------------------------------------------------------------------------ */

static void release_token(void *value)
{
    ray_token_free(value);
}

static const struct {
    enum engine_kind kind;
    size_t at;
    void (*release)(void *value);
} maps[] = {
    {KIND_SERVICE, offsetof(struct route_tables, services), free},
    {KIND_SERVICE, offsetof(struct route_tables, heads), free},
    {KIND_SECRET, offsetof(struct route_tables, tokens), release_token},
    {KIND_RAYCLUSTER, offsetof(struct route_tables, clusters), release_cluster},
    {KIND_RAYCLUSTER, offsetof(struct route_tables, labels[0]), free},
    {KIND_RAYSERVICE, offsetof(struct route_tables, serving), release_serving},
    {KIND_RAYSERVICE, offsetof(struct route_tables, labels[1]), free},
    {KIND_PROFILE, offsetof(struct route_tables, profiles), free},
};

static struct map **map_of(struct route_tables *tables, size_t i)
{
    return (struct map **)(void *)((char *)tables + maps[i].at);
}

void route_tables_begin(struct route_tables *tables, enum engine_kind kind)
{
    for (size_t i = 0; i < COUNT_OF(maps); i++)
        if (maps[i].kind == kind)
            *map_of(tables, i) = map_new();
    if (kind == KIND_RAYCLUSTER)
        token_search_list(tables->search);
}

void route_tables_replace(struct route_tables *tables, struct route_tables *fresh, enum engine_kind kind)
{
    for (size_t i = 0; i < COUNT_OF(maps); i++) {
        struct map **one = map_of(tables, i), **other = map_of(fresh, i), *before = *one;
        if (maps[i].kind != kind)
            continue;
        *one = *other;
        *other = before;
    }
    if (kind == KIND_RAYCLUSTER)
        token_search_listed(tables->search);
}

void route_tables_free(struct route_tables *tables)
{
    for (size_t i = 0; i < COUNT_OF(maps); i++) {
        struct map *map = *map_of(tables, i);
        size_t at = 0;
        void *value;
        while (map && map_next(map, &at, NULL, &value))
            maps[i].release(value);
        map_free(map);
        *map_of(tables, i) = NULL;
    }
}
