/* Where does a tenant's path lead, and which credential does the workload expect? */
#include "controlplane/routes.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "controlplane/object_key.h"
#include "controlplane/token_search.h"
#include "ray/public.h"
#include "ray/resume.h"
#include "ray/token.h"
#include "tenancy/tenancy.h"

#define PORTS_MAX 16  /* more ports of one service are not reachable by path */
#define RETRY_MS 1000 /* after a list or watch that failed */
#define FIRST_TRIES 10
#define ABSENT_S 15 /* until a kind that the engine has not is looked for again */

struct port {
    char name[64];
    int64_t number;
};
struct service {
    char name[64], owner_kind[32], owner_name[64];
    bool head;        /* of a Ray cluster: its dashboard takes the cluster's token */
    bool ray_service; /* made by KubeRay for a RayService */
    bool clusters;    /* made by KubeRay for the cluster itself, not for a RayService that stands on it */
    struct port ports[PORTS_MAX];
    size_t port_count;
};
struct cluster {
    char secret[RAY_TOKEN_SECRET_SIZE]; /* with its token */
    char uid[64];
    char ray_service[64], service_uid[64]; /* of what made it, or "" */
    bool own;                              /* KubeRay makes that Secret, and nobody follows it: token_search.h */
    char *public;                          /* what its own annotation opens; owned */
    bool starting;
    bool resumes[IDLE_RESUME_ALWAYS + 1]; /* by a request, by what its profile says */
};
/* What a RayService serves, and what of it it opens to anybody. */
struct serving {
    char *prefixes;     /* open: its annotation's */
    char *applications; /* that run, with their paths (ray_serve_applications) */
    char cluster[64];   /* where they run */
};
/* Whose label of gRPC ends in a hash, because the names are long. */
struct long_name {
    char namespace[64], name[64];
};
static const enum engine_kind followed[] = {KIND_SERVICE, KIND_SECRET, KIND_RAYCLUSTER, KIND_RAYSERVICE, KIND_PROFILE};
enum { FOLLOW_COUNT = COUNT_OF(followed) };

struct source { /* one watched kind */
    struct routes *routes;
    enum engine_kind kind;
    struct engine_watch *watch;
    bool lost, absent;
};
struct routes {
    struct engine *engine;
    pthread_rwlock_t lock; /* guards the maps */
    struct map *services;  /* "ns/service" -> struct service */
    struct map *heads;     /* "ns/cluster" -> name of its head service */
    struct map *tokens;    /* "ns/secret" -> token */
    struct map *clusters;  /* "ns/cluster" -> struct cluster */
    struct map *serving;   /* "ns/RayService" -> struct serving */
    struct map *labels[2]; /* label -> struct long_name: of clusters, of RayServices */
    struct map *profiles;  /* name -> enum idle_resume, of those that say something */
    struct token_search *search;
    struct source sources[FOLLOW_COUNT];
    pthread_t thread;
    pthread_mutex_t mutex; /* guards lost and stopping */
    pthread_cond_t changed;
    bool stopping, threaded;
};

/* --- the tables --------------------------------------------------------------------------------------------------- */
static void copy_text(char *ret, size_t size, const char *text)
{
    snprintf(ret, size, "%.*s", (int)size - 1, text ? text : "");
}

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

static struct service *read_service(const cJSON *object)
{
    struct service *service = memory_get(sizeof(*service));
    const char *kind = NULL, *name = NULL;
    const cJSON *item;
    tenancy_scope(KIND_SERVICE, object, &kind, &name);
    copy_text(service->name, sizeof(service->name), json_text(object, "metadata", "name", NULL));
    copy_text(service->owner_kind, sizeof(service->owner_kind), kind);
    copy_text(service->owner_name, sizeof(service->owner_name), name);
    service->head = strcmp(json_text_or("", object, "metadata", "labels", "ray.io/node-type", NULL), "head") == 0 ||
                    strcmp(json_text_or("", object, "spec", "selector", "ray.io/node-type", NULL), "head") == 0;
    service->ray_service = controller_of(object, "RayService", "name") != NULL;
    service->clusters = service->head && controller_of(object, "RayCluster", "name") != NULL;
    cJSON_ArrayForEach(item, json_at(object, "spec", "ports", NULL))
    {
        if (service->port_count == PORTS_MAX)
            break;
        struct port *port = &service->ports[service->port_count++];
        copy_text(port->name, sizeof(port->name), json_text(item, "name", NULL));
        json_i64(json_member(item, "port"), &port->number);
    }
    return service;
}

static void put_service(struct routes *routes, const char *namespace, const char *name, const cJSON *object)
{
    char key[OBJECT_KEY_SIZE];
    struct service *service = object ? read_service(object) : NULL;
    struct service *old = service ? map_put(routes->services, object_key(key, namespace, name), service)
                                  : map_remove(routes->services, object_key(key, namespace, name));
    if (old && old->clusters) {
        char *head = map_get(routes->heads, object_key(key, namespace, old->owner_name));
        if (head && strcmp(head, name) == 0)
            free(map_remove(routes->heads, object_key(key, namespace, old->owner_name)));
    }
    if (service && service->clusters)
        free(map_put(routes->heads, object_key(key, namespace, service->owner_name), memory_text(name)));
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

static void put_token(struct routes *routes, const char *namespace, const char *name, const cJSON *object)
{
    char key[OBJECT_KEY_SIZE];
    struct slice at = object_key(key, namespace, name);
    char *token = object ? read_token(object) : NULL;
    ray_token_free(token ? map_put(routes->tokens, at, token) : map_remove(routes->tokens, at));
}

static void free_cluster(struct cluster *cluster)
{
    if (!cluster)
        return;
    free(cluster->public);
    free(cluster);
}

static struct cluster *read_cluster(const cJSON *object)
{
    struct cluster *cluster = memory_get(sizeof(*cluster));
    ray_token_secret(object, cluster->secret, &cluster->own);
    copy_text(cluster->uid, sizeof(cluster->uid), json_text(object, "metadata", "uid", NULL));
    copy_text(cluster->ray_service, sizeof(cluster->ray_service), controller_of(object, "RayService", "name"));
    copy_text(cluster->service_uid, sizeof(cluster->service_uid), controller_of(object, "RayService", "uid"));
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
        struct long_name *names = gone ? NULL : memory_get(sizeof(*names));
        if (names) {
            copy_text(names->namespace, sizeof(names->namespace), namespace);
            copy_text(names->name, sizeof(names->name), name);
        }
        free(names ? map_put(labels, slice_of(label), names) : map_remove(labels, slice_of(label)));
    }
}

static void put_cluster(struct routes *routes, const char *namespace, const char *name, const cJSON *object)
{
    char key[OBJECT_KEY_SIZE];
    struct slice at = object_key(key, namespace, name);
    struct cluster *cluster = object ? read_cluster(object) : NULL;
    free_cluster(cluster ? map_put(routes->clusters, at, cluster) : map_remove(routes->clusters, at));
    if (object)
        token_search_follow(routes->search, object);
    else
        token_search_forget(routes->search, namespace, name);
    put_labels(routes->labels[0], namespace, name, !object);
}

static void release_serving(void *value)
{
    struct serving *serving = value;
    if (!serving)
        return;
    free(serving->prefixes);
    free(serving->applications);
    free(serving);
}

static struct serving *read_serving(const cJSON *service)
{
    struct serving *serving = memory_get(sizeof(*serving));
    AUTO_BUFFER struct buffer applications = {0};
    ray_serve_applications(service, &applications);
    serving->prefixes = memory_text(ray_public(service));
    serving->applications = memory_text(applications.p ? applications.p : "");
    copy_text(serving->cluster, sizeof(serving->cluster),
              json_text(service, "status", "activeServiceStatus", "rayClusterName", NULL));
    return serving;
}

static void put_ray_service(struct routes *routes, const char *namespace, const char *name, const cJSON *object)
{
    char key[OBJECT_KEY_SIZE];
    struct slice at = object_key(key, namespace, name);
    release_serving(object ? map_put(routes->serving, at, read_serving(object)) : map_remove(routes->serving, at));
    put_labels(routes->labels[1], namespace, name, !object);
}

static void put_profile(struct routes *routes, const char *name, const cJSON *object)
{
    enum idle_resume said = object ? idle_resume_said(object) : IDLE_RESUME_UNSAID;
    enum idle_resume *kept = NULL;
    if (said != IDLE_RESUME_UNSAID) {
        kept = memory_get(sizeof(*kept));
        *kept = said;
    }
    free(kept ? map_put(routes->profiles, slice_of(name), kept) : map_remove(routes->profiles, slice_of(name)));
}

/* <gone>: the object has been removed. The caller holds the lock for writing. */
static void put(struct routes *routes, enum engine_kind kind, const cJSON *object, bool gone)
{
    const char *namespace = json_text(object, "metadata", "namespace", NULL);
    const char *name = json_text(object, "metadata", "name", NULL);
    if (kind == KIND_PROFILE && name)
        put_profile(routes, name, gone ? NULL : object);
    if (!namespace || !name)
        return;
    if (kind == KIND_SERVICE)
        put_service(routes, namespace, name, gone ? NULL : object);
    else if (kind == KIND_SECRET)
        put_token(routes, namespace, name, gone ? NULL : object);
    else if (kind == KIND_RAYCLUSTER)
        put_cluster(routes, namespace, name, gone ? NULL : object);
    else if (kind == KIND_RAYSERVICE)
        put_ray_service(routes, namespace, name, gone ? NULL : object);
}

static void clear_map(struct map **map, void (*release)(void *value))
{
    size_t at = 0;
    struct slice key;
    void *value;
    while (*map && map_next(*map, &at, &key, &value))
        release(value);
    map_free(*map);
    *map = NULL;
}

static void release_token(void *value)
{
    ray_token_free(value);
}

static void release_cluster(void *value)
{
    free_cluster(value);
}

static void clear_kind(struct routes *routes, enum engine_kind kind)
{
    if (kind == KIND_SERVICE) {
        clear_map(&routes->services, free);
        clear_map(&routes->heads, free);
        routes->services = map_new();
        routes->heads = map_new();
    } else if (kind == KIND_SECRET) {
        clear_map(&routes->tokens, release_token);
        routes->tokens = map_new();
    } else if (kind == KIND_RAYCLUSTER) {
        clear_map(&routes->clusters, release_cluster);
        clear_map(&routes->labels[0], free);
        token_search_list(routes->search);
        routes->clusters = map_new();
        routes->labels[0] = map_new();
    } else if (kind == KIND_PROFILE) {
        clear_map(&routes->profiles, free);
        routes->profiles = map_new();
    } else {
        clear_map(&routes->serving, release_serving);
        clear_map(&routes->labels[1], free);
        routes->serving = map_new();
        routes->labels[1] = map_new();
    }
}

/* All of that kind have been put since clear_kind. */
static void end_kind(struct routes *routes, enum engine_kind kind)
{
    if (kind == KIND_RAYCLUSTER)
        token_search_listed(routes->search);
}

/* --- following the engine ----------------------------------------------------------------------------------------- */
static void on_event(void *context, enum engine_event event, const cJSON *object)
{
    struct source *source = context;
    struct routes *routes = source->routes;
    if (event == ENGINE_BOOKMARK)
        return;
    if (event == ENGINE_LOST) {
        pthread_mutex_lock(&routes->mutex);
        source->lost = true;
        pthread_cond_signal(&routes->changed);
        pthread_mutex_unlock(&routes->mutex);
        return;
    }
    pthread_rwlock_wrlock(&routes->lock);
    put(routes, source->kind, object, event == ENGINE_DELETED);
    pthread_rwlock_unlock(&routes->lock);
}

/* Lists, replaces the table, and watches from there on. */
static int load(struct source *source, struct error *error)
{
    struct routes *routes = source->routes;
    AUTO_JSON cJSON *list = NULL;
    const cJSON *item;
    engine_unwatch(source->watch);
    source->watch = NULL;
    source->absent = !engine_has(routes->engine, source->kind);
    if (source->absent) {
        pthread_rwlock_wrlock(&routes->lock);
        clear_kind(routes, source->kind);
        end_kind(routes, source->kind);
        pthread_rwlock_unlock(&routes->lock);
        return 0;
    }
    int status = engine_list(routes->engine, source->kind, NULL, NULL, &list, error);
    if (status < 0)
        return status;
    pthread_rwlock_wrlock(&routes->lock);
    clear_kind(routes, source->kind);
    cJSON_ArrayForEach(item, json_member(list, "items"))
    {
        put(routes, source->kind, item, false);
    }
    end_kind(routes, source->kind);
    pthread_rwlock_unlock(&routes->lock);
    return engine_watch(routes->engine, source->kind, NULL, NULL, json_text(list, "metadata", "resourceVersion", NULL),
                        on_event, source, &source->watch, error);
}

/* What was listed may be forgotten again before it can be watched from there, most of all while an engine starts. */
static int load_first(struct source *source, struct error *error)
{
    int status, tries = 0;
    do {
        if (error)
            *error = (struct error){0};
        status = load(source, error);
    } while (status == -ERROR_GONE && ++tries < FIRST_TRIES);
    return status;
}

static struct source *next_lost(struct routes *routes)
{
    for (size_t i = 0; i < FOLLOW_COUNT; i++) {
        if (routes->sources[i].lost)
            return &routes->sources[i];
    }
    return NULL;
}

/* A kind may come while this runs: KubeRay is installed. */
static void wait_for_news(struct routes *routes)
{
    struct timespec until;
    bool absent = false;
    for (size_t i = 0; i < FOLLOW_COUNT; i++)
        absent = absent || routes->sources[i].absent;
    if (!absent) {
        pthread_cond_wait(&routes->changed, &routes->mutex);
        return;
    }
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ABSENT_S;
    if (pthread_cond_timedwait(&routes->changed, &routes->mutex, &until) != ETIMEDOUT)
        return;
    for (size_t i = 0; i < FOLLOW_COUNT; i++)
        routes->sources[i].lost = routes->sources[i].lost || routes->sources[i].absent;
}

static void *run(void *context)
{
    struct routes *routes = context;
    pthread_mutex_lock(&routes->mutex);
    for (;;) {
        struct source *source = next_lost(routes);
        if (routes->stopping)
            break;
        if (!source) {
            wait_for_news(routes);
            continue;
        }
        source->lost = false;
        pthread_mutex_unlock(&routes->mutex);
        struct error error = {0};
        bool failed = load(source, &error) < 0;
        if (failed) {
            log_line(LOG_WARN, "routes cannot be read; trying again", LOG_FAULT(&error));
            clock_sleep_ms(RETRY_MS);
        }
        pthread_mutex_lock(&routes->mutex);
        source->lost = source->lost || failed;
    }
    pthread_mutex_unlock(&routes->mutex);
    return NULL;
}

int routes_new(struct engine *engine, struct routes **ret, struct error *error)
{
    struct routes *routes = memory_get(sizeof(*routes));
    routes->engine = engine;
    pthread_rwlock_init(&routes->lock, NULL);
    pthread_mutex_init(&routes->mutex, NULL);
    pthread_cond_init(&routes->changed, NULL);
    int status = token_search_new(engine, &routes->search, error);
    for (size_t i = 0; i < FOLLOW_COUNT && status == 0; i++) {
        routes->sources[i] = (struct source){.routes = routes, .kind = followed[i]};
        status = load_first(&routes->sources[i], error);
    }
    if (status == 0 && pthread_create(&routes->thread, NULL, run, routes) != 0)
        status = error_set(error, ERROR_INTERNAL, NULL, "no more threads can be started");
    routes->threaded = status == 0;
    if (status < 0) {
        routes_free(routes);
        return status;
    }
    *ret = routes;
    return 0;
}

void routes_free(struct routes *routes)
{
    if (!routes)
        return;
    pthread_mutex_lock(&routes->mutex);
    routes->stopping = true;
    pthread_cond_signal(&routes->changed);
    pthread_mutex_unlock(&routes->mutex);
    if (routes->threaded)
        pthread_join(routes->thread, NULL);
    for (size_t i = 0; i < FOLLOW_COUNT; i++)
        engine_unwatch(routes->sources[i].watch);
    token_search_free(routes->search);
    clear_map(&routes->services, free);
    clear_map(&routes->heads, free);
    clear_map(&routes->tokens, release_token);
    clear_map(&routes->clusters, release_cluster);
    clear_map(&routes->serving, release_serving);
    for (size_t i = 0; i < COUNT_OF(routes->labels); i++)
        clear_map(&routes->labels[i], free);
    clear_map(&routes->profiles, free);
    pthread_cond_destroy(&routes->changed);
    pthread_mutex_destroy(&routes->mutex);
    pthread_rwlock_destroy(&routes->lock);
    free(routes);
}

/* --- resolving ---------------------------------------------------------------------------------------------------- */
static const struct port *find_port(const struct service *service, const char *wanted)
{
    int64_t number = 0;
    if (!*wanted)
        return service->port_count == 1 ? &service->ports[0] : NULL;
    text_parse_i64(slice_of(wanted), 1, 65535, &number);
    for (size_t i = 0; i < service->port_count; i++) {
        if (strcmp(service->ports[i].name, wanted) == 0 || (number && service->ports[i].number == number))
            return &service->ports[i];
    }
    return NULL;
}

static bool is_dashboard(const struct port *port)
{
    return strcmp(port->name, "dashboard") == 0 || port->number == 8265;
}

static void put_header(const char *token, const char *header, const char *scheme, struct target *ret)
{
    if (!token || strlen(token) + strlen(scheme) + 2 > sizeof(ret->header_value))
        return; /* the workload then answers for itself that the credential is missing */
    copy_text(ret->header_name, sizeof(ret->header_name), header);
    snprintf(ret->header_value, sizeof(ret->header_value), "%s %s", scheme, token);
}

static void add_token(struct routes *routes, const char *namespace, const char *secret, const char *header,
                      const char *scheme, struct target *ret)
{
    char key[OBJECT_KEY_SIZE];
    put_header(map_get(routes->tokens, object_key(key, namespace, secret)), header, scheme, ret);
}

static void add_ray_token(struct routes *routes, const char *namespace, const char *cluster, const char *header,
                          struct target *ret)
{
    char key[OBJECT_KEY_SIZE];
    char own[sizeof(ret->header_value)];
    const struct cluster *known = map_get(routes->clusters, object_key(key, namespace, cluster));
    if (known && known->own) {
        bool found = token_search_find(routes->search, namespace, cluster, own, sizeof(own));
        put_header(found ? own : NULL, header, "Bearer", ret);
        memory_wipe(own, sizeof(own));
    } else {
        add_token(routes, namespace, known ? known->secret : RAY_TOKEN_SECRET, header, "Bearer", ret);
    }
}

static void add_notebook_token(struct routes *routes, const char *namespace, const char *notebook, struct target *ret)
{
    char secret[96];
    snprintf(secret, sizeof(secret), "notebook-%s", notebook);
    add_token(routes, namespace, secret, "Authorization", "token", ret);
}

static bool is_of_cluster(enum route_kind kind)
{
    return kind == ROUTE_RAY || kind == ROUTE_SERVE || kind == ROUTE_RAY_CLIENT || kind == ROUTE_SERVE_GRPC;
}

/* A RayService's own services lead to the cluster that it stands on now, and are authorized as that. */
static const struct service *find_ray_service(struct routes *routes, const struct route *route)
{
    char key[OBJECT_KEY_SIZE];
    char name[OBJECT_KEY_SIZE];
    snprintf(name, sizeof(name), "%s-%s", route->name, route->kind == ROUTE_SERVE ? "serve-svc" : "head-svc");
    const struct service *service = map_get(routes->services, object_key(key, route->namespace, name));
    return service && service->ray_service && strcmp(service->owner_kind, "RayCluster") == 0 ? service : NULL;
}

/* The service that a path means; NULL if there is none, or if it does not belong to what the path names. */
static const struct service *find_service(struct routes *routes, const struct route *route)
{
    char key[OBJECT_KEY_SIZE];
    const char *name = route->name;
    if (is_of_cluster(route->kind))
        name = map_get(routes->heads, object_key(key, route->namespace, route->name));
    const struct service *service = name ? map_get(routes->services, object_key(key, route->namespace, name)) : NULL;
    if (!service && is_of_cluster(route->kind))
        service = find_ray_service(routes, route);
    if (service && route->kind == ROUTE_NOTEBOOK &&
        (strcmp(service->owner_kind, "Notebook") != 0 || strcmp(service->owner_name, route->name) != 0))
        return NULL;
    return service;
}

static const char *wanted_port(const struct route *route)
{
    switch (route->kind) {
    case ROUTE_NOTEBOOK:
        return "80";
    case ROUTE_RAY:
        return "8265";
    case ROUTE_SERVE:
        return "8000";
    case ROUTE_RAY_CLIENT:
        return "10001";
    case ROUTE_SERVE_GRPC:
        return "9000";
    case ROUTE_API:
    case ROUTE_SERVICE:
    case ROUTE_TUNNEL:
    case ROUTE_POD:
        break;
    }
    return route->port;
}

static void note_uids(const struct cluster *cluster, struct target *ret)
{
    memcpy(ret->uid, cluster->uid, sizeof(ret->uid));
    memcpy(ret->service_uid, cluster->service_uid, sizeof(ret->service_uid));
}

/* A cluster that is suspended, or has just been made, has no head service yet: it is there, and nothing answers. */
static bool resolve_waiting(struct routes *routes, const struct route *route, struct target *ret)
{
    char key[OBJECT_KEY_SIZE];
    const struct cluster *cluster =
        is_of_cluster(route->kind) ? map_get(routes->clusters, object_key(key, route->namespace, route->name)) : NULL;
    if (!cluster)
        return false;
    *ret = (struct target){.strip_prefix = true};
    copy_text(ret->owner_kind, sizeof(ret->owner_kind), "RayCluster");
    copy_text(ret->owner_name, sizeof(ret->owner_name), route->name);
    note_uids(cluster, ret);
    return true;
}

/* By gRPC an application is asked by its name, of the cluster where those of that RayService run. */
static void note_called(const struct serving *serving, const struct route *route, struct target *ret)
{
    if (!serving || strcmp(serving->cluster, ret->owner_name) != 0)
        return;
    struct slice prefix = ray_serve_prefix(serving->applications, route->tail);
    if (prefix.n == 0)
        return;
    snprintf(ret->path, sizeof(ret->path), "%.*s", (int)prefix.n, prefix.p);
    if (ray_public_prefix(serving->prefixes, prefix).n > 0 && route->tail.n < sizeof(ret->open))
        snprintf(ret->open, sizeof(ret->open), "%.*s", (int)route->tail.n, route->tail.p);
}

/* Whose applications are asked, and whether they are open to anybody. A cluster of a RayService opens what that opens:
 * what KubeRay copied from it, once, says nothing. */
static void note_serving(struct routes *routes, const struct route *route, struct target *ret)
{
    char key[OBJECT_KEY_SIZE];
    const struct cluster *cluster = map_get(routes->clusters, object_key(key, route->namespace, ret->owner_name));
    const char *prefixes = cluster ? cluster->public : NULL;
    const struct serving *serving = NULL;
    if (cluster)
        note_uids(cluster, ret);
    if (cluster && *cluster->ray_service) {
        serving = map_get(routes->serving, object_key(key, route->namespace, cluster->ray_service));
        prefixes = serving ? serving->prefixes : NULL;
    }
    if (route->kind == ROUTE_SERVE_GRPC) {
        note_called(serving, route, ret);
        return;
    }
    if (!prefixes)
        return;
    struct slice prefix = ray_public_prefix(prefixes, route->tail);
    snprintf(ret->open, sizeof(ret->open), "%.*s", (int)prefix.n, prefix.n ? prefix.p : "");
}

static bool find_target(struct routes *routes, const struct route *route, struct target *ret)
{
    const struct service *service = find_service(routes, route);
    const struct port *port = service ? find_port(service, wanted_port(route)) : NULL;
    int64_t number = port ? port->number : 0;
    if (!service)
        return resolve_waiting(routes, route, ret);
    /* Whoever may open a tunnel may run programs there, and reach them: a service need not name their ports. */
    if (!port && !(route->kind == ROUTE_TUNNEL && text_parse_i64(slice_of(route->port), 1, UINT16_MAX, &number)))
        return false;
    struct target target = {.strip_prefix = route->kind != ROUTE_NOTEBOOK};
    copy_text(target.service, sizeof(target.service), service->name);
    snprintf(target.port, sizeof(target.port), "%lld", (long long)number);
    copy_text(target.owner_kind, sizeof(target.owner_kind), service->owner_kind);
    copy_text(target.owner_name, sizeof(target.owner_name), service->owner_name);
    if (route->kind == ROUTE_SERVE || route->kind == ROUTE_SERVE_GRPC)
        note_serving(routes, route, &target);
    bool carries_http =
        port && route->kind != ROUTE_TUNNEL && route->kind != ROUTE_SERVE && route->kind != ROUTE_SERVE_GRPC;
    if (route->kind == ROUTE_RAY_CLIENT)
        add_ray_token(routes, route->namespace, service->owner_name, "authorization", &target);
    else if (carries_http && service->head && is_dashboard(port))
        add_ray_token(routes, route->namespace, service->owner_name, "X-Ray-Authorization", &target);
    else if (carries_http && strcmp(service->owner_kind, "Notebook") == 0)
        add_notebook_token(routes, route->namespace, service->owner_name, &target);
    *ret = target;
    return true;
}

/* A cluster that sleeps or is waking up. */
static void note_state(struct routes *routes, const struct route *route, struct target *ret)
{
    char key[OBJECT_KEY_SIZE];
    if (strcmp(ret->owner_kind, "RayCluster") != 0)
        return;
    const struct cluster *cluster = map_get(routes->clusters, object_key(key, route->namespace, ret->owner_name));
    const enum idle_resume *said = map_get(routes->profiles, slice_of(route->namespace));
    if (cluster && cluster->resumes[said ? *said : IDLE_RESUME_UNSAID])
        ret->state = TARGET_RESUMES;
    else if (cluster && cluster->starting)
        ret->state = TARGET_STARTING;
}

static bool resolve(struct routes *routes, const struct route *route, struct target *ret)
{
    if (!find_target(routes, route, ret))
        return false;
    note_state(routes, route, ret);
    return true;
}

bool routes_resolve(struct routes *routes, const struct route *route, struct target *ret)
{
    pthread_rwlock_rdlock(&routes->lock);
    bool found = resolve(routes, route, ret);
    pthread_rwlock_unlock(&routes->lock);
    return found;
}

bool routes_find_label(struct routes *routes, struct slice label, struct route *ret)
{
    bool client = slice_starts(label, "rayclient-");
    const struct long_name *found = NULL;
    if (!client && !slice_starts(label, "grpc-"))
        return false;
    pthread_rwlock_rdlock(&routes->lock);
    for (size_t i = 0; i < COUNT_OF(routes->labels) && !found; i++)
        found = map_get(routes->labels[i], label);
    if (found) {
        *ret = (struct route){.kind = client ? ROUTE_RAY_CLIENT : ROUTE_SERVE_GRPC};
        copy_text(ret->namespace, sizeof(ret->namespace), found->namespace);
        copy_text(ret->name, sizeof(ret->name), found->name);
    }
    pthread_rwlock_unlock(&routes->lock);
    return found != NULL;
}
