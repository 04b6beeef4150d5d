/* Where does a tenant's path lead, and which credential does the workload expect? */
#include "controlplane/routes.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "controlplane/object_key.h"
#include "controlplane/route_tables.h"
#include "ray/public.h"

#define RETRY_MS 1000 /* after a list or watch that failed */
#define FIRST_TRIES 10
#define ABSENT_S 15 /* until a kind that the engine has not is looked for again */

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
    pthread_rwlock_t lock; /* guards the tables */
    struct route_tables tables;
    struct source sources[FOLLOW_COUNT];
    pthread_t thread;
    pthread_mutex_t mutex; /* guards lost and stopping */
    pthread_cond_t changed;
    bool stopping, threaded;
};

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
    route_tables_put(&routes->tables, source->kind, object, event == ENGINE_DELETED);
    pthread_rwlock_unlock(&routes->lock);
}

struct reading {
    enum engine_kind kind;
    struct route_tables fresh;
};

static void put_read(void *context, const cJSON *object)
{
    struct reading *reading = context;
    route_tables_put(&reading->fresh, reading->kind, object, false);
}

/* Reads all of a kind, one after the other, replaces what is known of it, and watches from there on. Of Secrets those
 * that Atelier makes for its workloads: whatever else a Ray cluster names, token_search reads. */
static int load(struct source *source, struct error *error)
{
    struct routes *routes = source->routes;
    const struct engine_list_options options = {.label_selector = source->kind == KIND_SECRET ? ENGINE_OURS : NULL};
    struct reading reading = {.kind = source->kind, .fresh = {.search = routes->tables.search}};
    AUTO_FREE char *version = NULL;
    int status = 0;
    engine_unwatch(source->watch);
    source->watch = NULL;
    source->absent = !engine_has(routes->engine, source->kind);
    route_tables_begin(&reading.fresh, source->kind);
    if (!source->absent)
        status = engine_each(routes->engine, source->kind, NULL, &options, put_read, &reading, &version, error);
    if (status == 0) {
        pthread_rwlock_wrlock(&routes->lock);
        route_tables_replace(&routes->tables, &reading.fresh, source->kind);
        pthread_rwlock_unlock(&routes->lock);
    }
    route_tables_free(&reading.fresh);
    return status < 0 || source->absent ? status
                                        : engine_watch(routes->engine, source->kind, NULL, &options, version, on_event,
                                                       source, &source->watch, error);
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
    int status = token_search_new(engine, &routes->tables.search, error);
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
    token_search_free(routes->tables.search);
    route_tables_free(&routes->tables);
    pthread_cond_destroy(&routes->changed);
    pthread_mutex_destroy(&routes->mutex);
    pthread_rwlock_destroy(&routes->lock);
    free(routes);
}

/* --- resolving ---------------------------------------------------------------------------------------------------- */
static const struct route_port *find_port(const struct route_service *service, const char *wanted)
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

static bool is_dashboard(const struct route_port *port)
{
    return strcmp(port->name, "dashboard") == 0 || port->number == 8265;
}

static void put_header(const char *token, const char *header, const char *scheme, struct target *ret)
{
    if (!token || strlen(token) + strlen(scheme) + 2 > sizeof(ret->header_value))
        return; /* the workload then answers for itself that the credential is missing */
    route_text(ret->header_name, sizeof(ret->header_name), header);
    snprintf(ret->header_value, sizeof(ret->header_value), "%s %s", scheme, token);
}

static void add_token(struct routes *routes, const char *namespace, const char *secret, const char *header,
                      const char *scheme, struct target *ret)
{
    char key[OBJECT_KEY_SIZE];
    put_header(map_get(routes->tables.tokens, object_key(key, namespace, secret)), header, scheme, ret);
}

static void add_ray_token(struct routes *routes, const char *namespace, const char *cluster, const char *header,
                          struct target *ret)
{
    char key[OBJECT_KEY_SIZE];
    char own[sizeof(ret->header_value)];
    const struct route_cluster *known = map_get(routes->tables.clusters, object_key(key, namespace, cluster));
    if (known && known->own) {
        bool found = token_search_find(routes->tables.search, namespace, cluster, own, sizeof(own));
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
static const struct route_service *find_ray_service(struct routes *routes, const struct route *route)
{
    char key[OBJECT_KEY_SIZE];
    char name[OBJECT_KEY_SIZE];
    snprintf(name, sizeof(name), "%s-%s", route->name, route->kind == ROUTE_SERVE ? "serve-svc" : "head-svc");
    const struct route_service *service = map_get(routes->tables.services, object_key(key, route->namespace, name));
    return service && service->ray_service && strcmp(service->owner_kind, "RayCluster") == 0 ? service : NULL;
}

/* The service that a path means; NULL if there is none, or if it does not belong to what the path names. */
static const struct route_service *find_service(struct routes *routes, const struct route *route)
{
    char key[OBJECT_KEY_SIZE];
    const char *name = route->name;
    if (is_of_cluster(route->kind))
        name = map_get(routes->tables.heads, object_key(key, route->namespace, route->name));
    const struct route_service *service =
        name ? map_get(routes->tables.services, object_key(key, route->namespace, name)) : NULL;
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

static void note_uids(const struct route_cluster *cluster, struct target *ret)
{
    memcpy(ret->uid, cluster->uid, sizeof(ret->uid));
    memcpy(ret->service_uid, cluster->service_uid, sizeof(ret->service_uid));
}

/* A cluster that is suspended, or has just been made, has no head service yet: it is there, and nothing answers. */
static bool resolve_waiting(struct routes *routes, const struct route *route, struct target *ret)
{
    char key[OBJECT_KEY_SIZE];
    const struct route_cluster *cluster =
        is_of_cluster(route->kind) ? map_get(routes->tables.clusters, object_key(key, route->namespace, route->name))
                                   : NULL;
    if (!cluster)
        return false;
    *ret = (struct target){.strip_prefix = true};
    route_text(ret->owner_kind, sizeof(ret->owner_kind), "RayCluster");
    route_text(ret->owner_name, sizeof(ret->owner_name), route->name);
    note_uids(cluster, ret);
    return true;
}

/* By gRPC an application is asked by its name, of the cluster where those of that RayService run. */
static void note_called(const struct route_serving *serving, const struct route *route, struct target *ret)
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
    const struct route_cluster *cluster =
        map_get(routes->tables.clusters, object_key(key, route->namespace, ret->owner_name));
    const char *prefixes = cluster ? cluster->public : NULL;
    const struct route_serving *serving = NULL;
    if (cluster)
        note_uids(cluster, ret);
    if (cluster && *cluster->ray_service) {
        serving = map_get(routes->tables.serving, object_key(key, route->namespace, cluster->ray_service));
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
    const struct route_service *service = find_service(routes, route);
    const struct route_port *port = service ? find_port(service, wanted_port(route)) : NULL;
    int64_t number = port ? port->number : 0;
    if (!service)
        return resolve_waiting(routes, route, ret);
    /* Whoever may open a tunnel may run programs there, and reach them: a service need not name their ports. */
    if (!port && !(route->kind == ROUTE_TUNNEL && text_parse_i64(slice_of(route->port), 1, UINT16_MAX, &number)))
        return false;
    struct target target = {.strip_prefix = route->kind != ROUTE_NOTEBOOK};
    route_text(target.service, sizeof(target.service), service->name);
    snprintf(target.port, sizeof(target.port), "%lld", (long long)number);
    route_text(target.owner_kind, sizeof(target.owner_kind), service->owner_kind);
    route_text(target.owner_name, sizeof(target.owner_name), service->owner_name);
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
    const struct route_cluster *cluster =
        map_get(routes->tables.clusters, object_key(key, route->namespace, ret->owner_name));
    const enum idle_resume *said = map_get(routes->tables.profiles, slice_of(route->namespace));
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
    const struct route_label *found = NULL;
    if (!client && !slice_starts(label, "grpc-"))
        return false;
    pthread_rwlock_rdlock(&routes->lock);
    for (size_t i = 0; i < COUNT_OF(routes->tables.labels) && !found; i++)
        found = map_get(routes->tables.labels[i], label);
    if (found) {
        *ret = (struct route){.kind = client ? ROUTE_RAY_CLIENT : ROUTE_SERVE_GRPC};
        route_text(ret->namespace, sizeof(ret->namespace), found->namespace);
        route_text(ret->name, sizeof(ret->name), found->name);
    }
    pthread_rwlock_unlock(&routes->lock);
    return found != NULL;
}
