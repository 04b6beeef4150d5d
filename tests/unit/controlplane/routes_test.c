/* Where tenant paths lead, with which credential, and what a change or a lost watch does to that. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "controlplane/limits.h"
#include "controlplane/routes.h"
#include "engine/engine_internal.h"
#include "tests/unit/documents.h"

/* --- an engine that holds what a test puts there, and lets it speak to the watchers --------------------------------
 */
struct fake_watch {
    struct engine_watch base;
    enum engine_kind kind;
    engine_watcher watcher;
    void *context;
};
static struct {
    struct engine base;
    cJSON *objects[KIND_COUNT]; /* arrays */
    struct fake_watch *watches[8];
    bool no_ray;
    int failures; /* how many lists fail next */
    _Atomic int lists, reads;
    const char *_Atomic secret; /* what .get finds, or NULL */
    int read_ms;                /* how long .get takes */
} fake;

static int fake_list(struct engine *engine, enum engine_kind kind, const char *namespace,
                     const struct engine_list_options *options, cJSON **ret, struct error *error)
{
    (void)engine;
    (void)namespace;
    (void)options;
    fake.lists++;
    if (fake.failures > 0) {
        fake.failures--;
        return error_set(error, ERROR_UNAVAILABLE, NULL, "away");
    }
    *ret = json_object();
    json_set_text(json_object_in(*ret, "metadata"), "resourceVersion", "5");
    json_set(*ret, "items", fake.objects[kind] ? json_copy(fake.objects[kind]) : json_array());
    return 0;
}

static int fake_watch_open(struct engine *engine, enum engine_kind kind, const char *namespace,
                           const struct engine_list_options *options, const char *version, engine_watcher watcher,
                           void *context, struct engine_watch **ret, struct error *error)
{
    (void)namespace;
    (void)options;
    (void)error;
    assert_string_equal(version, "5");
    assert_false(fake.no_ray && kind == KIND_RAYCLUSTER);
    struct fake_watch *watch = memory_get(sizeof(*watch));
    *watch = (struct fake_watch){.base.engine = engine, .kind = kind, .watcher = watcher, .context = context};
    for (size_t i = 0; i < COUNT_OF(fake.watches); i++) {
        if (!fake.watches[i]) {
            fake.watches[i] = watch;
            *ret = &watch->base;
            return 0;
        }
    }
    fail_msg("too many watches");
    return -1;
}

static void fake_unwatch(struct engine_watch *watch)
{
    for (size_t i = 0; i < COUNT_OF(fake.watches); i++) {
        if (watch && fake.watches[i] && &fake.watches[i]->base == watch)
            fake.watches[i] = NULL;
    }
    free(watch);
}

static bool fake_has(struct engine *engine, enum engine_kind kind)
{
    (void)engine;
    return !(fake.no_ray && kind == KIND_RAYCLUSTER);
}

/* The Secret "rc" or "mine"; asked for by the thread of the routes. */
static int fake_get(struct engine *engine, enum engine_kind kind, const char *namespace, const char *name, cJSON **ret,
                    struct error *error)
{
    const char *secret = fake.secret;
    (void)engine;
    (void)namespace;
    fake.reads++;
    if (fake.read_ms)
        clock_sleep_ms(fake.read_ms);
    if (kind != KIND_SECRET || (strcmp(name, "rc") != 0 && strcmp(name, "mine") != 0) || !secret)
        return error_set(error, ERROR_NOT_FOUND, NULL, "not found");
    return json_parse(slice_of(secret), &json_limits_default, ret, error);
}

static const struct engine_operations operations = {
    .has = fake_has, .get = fake_get, .list = fake_list, .watch = fake_watch_open, .unwatch = fake_unwatch};

static void hold(enum engine_kind kind, const char *text)
{
    if (!fake.objects[kind])
        fake.objects[kind] = json_array();
    json_push(fake.objects[kind], from_json(text));
}

static void tell(enum engine_kind kind, enum engine_event event, const char *text)
{
    AUTO_JSON cJSON *object = text ? from_json(text) : NULL;
    for (size_t i = 0; i < COUNT_OF(fake.watches); i++) {
        if (fake.watches[i] && fake.watches[i]->kind == kind)
            fake.watches[i]->watcher(fake.watches[i]->context, event, object);
    }
}

#define OWNED(kind, name)                                                                                              \
    "\"ownerReferences\":[{\"kind\":\"" kind "\",\"name\":\"" name "\",\"uid\":\"uid-" name "\",\"controller\":true}]"
#define NB_SERVICE                                                                                                     \
    "{\"metadata\":{\"name\":\"nb1\",\"namespace\":\"alice\"," OWNED(                                                  \
        "Notebook", "nb1") "},\"spec\":{\"ports\":[{\"name\":\"http-nb1\",\"port\":80}]}}"
#define NB_SECRET                                                                                                      \
    "{\"metadata\":{\"name\":\"notebook-nb1\",\"namespace\":\"alice\",\"labels\":{\"atelier.dev/notebook\":\"nb1\"}}," \
    "\"data\":{\"token\":\"bmItdG9rZW4=\"}}"
#define HEAD_SERVICE                                                                                                   \
    "{\"metadata\":{\"name\":\"rc-head-svc\",\"namespace\":\"alice\",\"labels\":{\"ray.io/"                            \
    "node-type\":\"head\"}," OWNED(                                                                                    \
        "RayCluster",                                                                                                  \
        "rc") "},\"spec\":{\"ports\":[{\"name\":\"dashboard\",\"port\":8265},{\"name\":\"client\","                    \
              "\"port\":10001},{\"name\":\"serve\",\"port\":8000},{\"name\":\"serve-grpc\",\"port\":9000}]}}"
#define RAY_SECRET                                                                                                     \
    "{\"metadata\":{\"name\":\"ray-auth\",\"namespace\":\"alice\"},\"data\":{\"auth_token\":\"cmF5LXRva2Vu\"}}"
#define MINE_SECRET "{\"metadata\":{\"name\":\"mine\",\"namespace\":\"alice\"},\"data\":{\"auth_token\":\"b3Ro\"}}"
#define OWN_SECRET(uid, token)                                                                                         \
    "{\"metadata\":{\"name\":\"rc\",\"namespace\":\"alice\",\"ownerReferences\":[{\"kind\":\"RayCluster\",\"name\":"   \
    "\"rc\","                                                                                                          \
    "\"uid\":\"" uid "\"}]},\"data\":{\"auth_token\":\"" token "\"}}"
#define CLUSTER                                                                                                        \
    "{\"metadata\":{\"name\":\"rc\",\"namespace\":\"alice\"},\"spec\":{\"authOptions\":{\"mode\":\"token\","           \
    "\"secretName\":\"ray-auth\"}}}"

static struct routes *routes;

static int start(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof(fake));
    fake.base.operations = &operations;
    hold(KIND_SERVICE, NB_SERVICE);
    hold(KIND_SERVICE, HEAD_SERVICE);
    hold(KIND_SECRET, NB_SECRET);
    hold(KIND_SECRET, RAY_SECRET);
    hold(KIND_RAYCLUSTER, CLUSTER);
    return routes_new(&fake.base, &routes, NULL);
}

static int stop(void **state)
{
    (void)state;
    routes_free(routes);
    for (size_t i = 0; i < KIND_COUNT; i++)
        cJSON_Delete(fake.objects[i]);
    return 0;
}

static bool resolve(const char *path, struct target *ret)
{
    struct route route;
    struct error error = {0};
    memset(ret, 0, sizeof(*ret));
    if (!route_parse(slice_of(path), &route, &error))
        fail_msg("%s: %s", path, error.message);
    return routes_resolve(routes, &route, ret);
}

static void paths_lead_to_services(void **state)
{
    (void)state;
    static const struct {
        const char *path, *service, *port, *kind, *owner, *header, *value;
        bool strip;
    } cases[] = {
        {"/notebook/alice/nb1/lab", "nb1", "80", "Notebook", "nb1", "Authorization", "token nb-token", false},
        {"/ray/alice/rc/", "rc-head-svc", "8265", "RayCluster", "rc", "X-Ray-Authorization", "Bearer ray-token", true},
        {"/serve/alice/rc/predict", "rc-head-svc", "8000", "RayCluster", "rc", "", "", true},
        {"/api/v1/namespaces/alice/services/http:rc-head-svc:dashboard/proxy/", "rc-head-svc", "8265", "RayCluster",
         "rc", "X-Ray-Authorization", "Bearer ray-token", true},
        {"/api/v1/namespaces/alice/services/rc-head-svc:8265/proxy/", "rc-head-svc", "8265", "RayCluster", "rc",
         "X-Ray-Authorization", "Bearer ray-token", true},
        {"/api/v1/namespaces/alice/services/rc-head-svc:serve/proxy/", "rc-head-svc", "8000", "RayCluster", "rc", "",
         "", true},
        {"/api/v1/namespaces/alice/services/nb1/proxy/", "nb1", "80", "Notebook", "nb1", "Authorization",
         "token nb-token", true},
        {"/tunnel/alice/rc-head-svc/10001", "rc-head-svc", "10001", "RayCluster", "rc", "", "", true},
        {"/tunnel/alice/nb1/80", "nb1", "80", "Notebook", "nb1", "", "", true},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct target target;
        if (!resolve(cases[i].path, &target))
            fail_msg("%s leads nowhere", cases[i].path);
        assert_string_equal(target.service, cases[i].service);
        assert_string_equal(target.port, cases[i].port);
        assert_string_equal(target.owner_kind, cases[i].kind);
        assert_string_equal(target.owner_name, cases[i].owner);
        assert_string_equal(target.header_name, cases[i].header);
        assert_string_equal(target.header_value, cases[i].value);
        assert_int_equal(target.strip_prefix, cases[i].strip);
    }
}

static void others_lead_nowhere(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "/notebook/alice/nb2/",
        "/notebook/bob/nb1/",
        "/notebook/alice/rc-head-svc/", /* a service, but no notebook's */
        "/ray/alice/nb1/",
        "/ray/alice/rc-head-svc/",
        "/serve/alice/other/",
        "/tunnel/alice/nb1/ssh",
        "/api/v1/namespaces/alice/services/rc-head-svc/proxy/", /* which of its ports? */
        "/api/v1/namespaces/alice/services/nb1:99/proxy/",
    };
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        struct target target;
        if (resolve(paths[i], &target))
            fail_msg("%s leads to %s", paths[i], target.service);
    }
}

/* A port that the service does not name: for tunnels alone, and without the workload's credentials. */
static void a_tunnel_leads_to_any_number(void **state)
{
    (void)state;
    struct target target;
    assert_true(resolve("/tunnel/alice/nb1/6006", &target));
    assert_string_equal(target.service, "nb1");
    assert_string_equal(target.port, "6006");
    assert_string_equal(target.owner_kind, "Notebook");
    assert_string_equal(target.owner_name, "nb1");
    assert_string_equal(target.header_value, "");
    assert_false(resolve("/tunnel/bob/nb1/6006", &target));
}

static void changes_are_followed(void **state)
{
    (void)state;
    struct target target;
    tell(KIND_SECRET, ENGINE_MODIFIED,
         "{\"metadata\":{\"name\":\"ray-auth\",\"namespace\":\"alice\"},\"data\":{\"auth_token\":\"bmV3\"}}");
    assert_true(resolve("/ray/alice/rc/", &target));
    assert_string_equal(target.header_value, "Bearer new");
    tell(KIND_SECRET, ENGINE_DELETED, RAY_SECRET);
    assert_true(resolve("/ray/alice/rc/", &target));
    assert_string_equal(target.header_name, "");
    tell(KIND_SERVICE, ENGINE_BOOKMARK, "{\"metadata\":{\"resourceVersion\":\"9\"}}");
    tell(KIND_SERVICE, ENGINE_DELETED, HEAD_SERVICE);
    assert_false(resolve("/tunnel/alice/rc-head-svc/10001", &target));
    assert_true(resolve("/notebook/alice/nb1/", &target));
    tell(KIND_SECRET, ENGINE_MODIFIED,
         "{\"metadata\":{\"name\":\"mine\",\"namespace\":\"alice\"},\"data\":{\"token\":\"bm8=\"}}");
    assert_true(resolve("/notebook/alice/nb1/", &target));
    assert_string_equal(target.header_value, "token nb-token");
}

static bool answers(const char *path)
{
    struct target target;
    return resolve(path, &target) && target.service[0] != '\0';
}

/* KubeRay makes the head's service when the cluster is not, or no longer, suspended. */
static void a_cluster_without_a_head_is_there(void **state)
{
    (void)state;
    static const char *const paths[] = {"/ray/alice/rc/", "/serve/alice/rc/predict"};
    tell(KIND_SERVICE, ENGINE_DELETED, HEAD_SERVICE);
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        struct target target;
        assert_true(resolve(paths[i], &target));
        assert_string_equal(target.service, "");
        assert_string_equal(target.owner_kind, "RayCluster");
        assert_string_equal(target.owner_name, "rc");
        assert_string_equal(target.header_value, "");
    }
    struct target target;
    assert_false(resolve("/notebook/alice/rc/", &target));
    assert_false(resolve("/ray/bob/rc/", &target));
    tell(KIND_SERVICE, ENGINE_ADDED, HEAD_SERVICE);
    assert_true(answers("/ray/alice/rc/"));
    tell(KIND_SERVICE, ENGINE_DELETED, HEAD_SERVICE);
    tell(KIND_RAYCLUSTER, ENGINE_DELETED, CLUSTER);
    assert_false(resolve("/ray/alice/rc/", &target));
}

/* What KubeRay makes for a RayService leads to the cluster of the moment, and never takes that cluster's own route. */
#define RAY_SERVICE(name, ports)                                                                                       \
    "{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"alice\",\"labels\":{\"ray.io/node-type\":\"head\"}," OWNED(  \
        "RayService", "s1") "},\"spec\":{\"selector\":{\"ray.io/cluster\":\"rc\"},\"ports\":[" ports "]}}"

static void ray_services_lead_to_their_cluster(void **state)
{
    (void)state;
    struct target target;
    tell(KIND_SERVICE, ENGINE_ADDED, RAY_SERVICE("s1-head-svc", "{\"name\":\"dashboard\",\"port\":8265}"));
    tell(KIND_SERVICE, ENGINE_ADDED, RAY_SERVICE("s1-serve-svc", "{\"name\":\"serve\",\"port\":8000}"));
    assert_true(resolve("/serve/alice/s1/text", &target));
    assert_string_equal(target.service, "s1-serve-svc");
    assert_string_equal(target.owner_kind, "RayCluster");
    assert_string_equal(target.owner_name, "rc");
    assert_true(resolve("/ray/alice/s1/", &target));
    assert_string_equal(target.service, "s1-head-svc");
    assert_string_equal(target.header_value, "Bearer ray-token");
    assert_true(resolve("/ray/alice/rc/", &target));
    assert_string_equal(target.service, "rc-head-svc");
    tell(KIND_SERVICE, ENGINE_DELETED, RAY_SERVICE("s1-head-svc", "{\"name\":\"dashboard\",\"port\":8265}"));
    assert_false(resolve("/ray/alice/s1/", &target));
    assert_true(resolve("/ray/alice/rc/", &target));
}

/* What an older KubeRay makes for a RayJob has a token of its own, in a Secret that comes after it. */
static void kuberays_own_secret_is_found(void **state)
{
    (void)state;
    static const char own[] = "{\"metadata\":{\"name\":\"rc\",\"namespace\":\"alice\",\"uid\":\"2\"},"
                              "\"spec\":{\"authOptions\":{\"mode\":\"token\"}}}";
    struct target target;
    tell(KIND_RAYCLUSTER, ENGINE_MODIFIED, own);
    assert_true(resolve("/ray/alice/rc/", &target));
    assert_string_equal(target.header_value, "");
    fake.secret = OWN_SECRET("1", "ZWFybGllcg=="); /* of an earlier cluster: its token would be refused */
    int asked = fake.reads;
    for (int i = 0; i < 500 && fake.reads < asked + 2; i++) {
        tell(KIND_RAYCLUSTER, ENGINE_MODIFIED, own);
        clock_sleep_ms(20);
    }
    assert_true(fake.reads >= asked + 2);
    assert_true(resolve("/ray/alice/rc/", &target));
    assert_string_equal(target.header_value, "");
    fake.secret = OWN_SECRET("2", "b3du");
    for (int i = 0; i < 500 && !target.header_value[0]; i++) {
        clock_sleep_ms(20);
        assert_true(resolve("/ray/alice/rc/", &target));
    }
    assert_string_equal(target.header_value, "Bearer own");
    asked = fake.reads;
    tell(KIND_RAYCLUSTER, ENGINE_MODIFIED, own); /* its status, often: what is known is not asked for again */
    assert_true(resolve("/ray/alice/rc/", &target));
    assert_string_equal(target.header_value, "Bearer own");
    clock_sleep_ms(100);
    assert_int_equal(fake.reads, asked);
}

/* Nobody follows a Secret that is no work of Atelier's, and a person may make it after the cluster that names it. */
static void a_persons_own_secret_is_found(void **state)
{
    (void)state;
    struct target target;
    tell(KIND_RAYCLUSTER, ENGINE_MODIFIED,
         "{\"metadata\":{\"name\":\"rc\",\"namespace\":\"alice\",\"uid\":\"2\"},"
         "\"spec\":{\"authOptions\":{\"mode\":\"token\",\"secretName\":\"mine\"}}}");
    assert_true(resolve("/ray/alice/rc/", &target));
    assert_string_equal(target.header_value, ""); /* and not the profile's, which would be refused */
    fake.secret = MINE_SECRET;
    for (int i = 0; i < 500 && !target.header_value[0]; i++) {
        clock_sleep_ms(20);
        assert_true(resolve("/ray/alice/rc/", &target));
    }
    assert_string_equal(target.header_value, "Bearer oth");
}

/* A thousand clusters wait for their Secrets, and each says often how it is: that costs the engine few reads. */
static void missing_secrets_are_read_at_a_bounded_rate(void **state)
{
    (void)state;
    enum { CLUSTERS = 1000, TURN_MS = 20, TURNS = 100 };
    fake.read_ms = 1; /* as of an API server near by */
    int64_t began_ms = clock_monotonic_ms();
    for (int turn = 0; turn < TURNS; turn++) {
        for (int i = 0; i < CLUSTERS; i++) {
            AUTO_FREE char *cluster =
                memory_format("{\"metadata\":{\"name\":\"late-%d\",\"namespace\":\"alice\",\"uid\":\"%d\"},\"spec\":"
                              "{\"authOptions\":{\"mode\":\"token\"}},\"status\":{\"turn\":%d}}",
                              i, i, turn);
            if (turn == 0 || i / 10 == turn)
                tell(KIND_RAYCLUSTER, turn ? ENGINE_MODIFIED : ENGINE_ADDED, cluster);
        }
        clock_sleep_ms(TURN_MS);
    }
    int64_t took_ms = clock_monotonic_ms() - began_ms;
    int reads = fake.reads;
    assert_true(reads >= TURNS / 4);
    assert_true(reads <= took_ms / LIMIT_TOKEN_READ_EVERY_MS + 1);
}

#define ANNOTATED(name, prefixes, more)                                                                                \
    "{\"metadata\":{\"uid\":\"uid-" name "\",\"name\":\"" name                                                         \
    "\",\"namespace\":\"alice\",\"annotations\":{\"atelier.dev/public-apps\":\"" prefixes "\"}" more "}}"

/* Of a cluster by its own word, or by that of the RayService which made it; never more than Serve's paths. */
static void applications_are_opened_and_closed(void **state)
{
    (void)state;
    struct target target;
    tell(KIND_RAYCLUSTER, ENGINE_MODIFIED, ANNOTATED("rc", "/mnist", ""));
    assert_true(resolve("/serve/alice/rc/mnist/x", &target));
    assert_string_equal(target.open, "/mnist");
    assert_true(resolve("/serve/alice/rc/other", &target));
    assert_string_equal(target.open, "");
    assert_true(resolve("/ray/alice/rc/mnist", &target));
    assert_string_equal(target.open, "");
    assert_true(resolve("/api/v1/namespaces/alice/services/rc-head-svc:serve/proxy/mnist", &target));
    assert_string_equal(target.open, "");
    tell(KIND_RAYCLUSTER, ENGINE_MODIFIED, ANNOTATED("rc", "/mnist", "," OWNED("RayService", "s1")));
    assert_true(resolve("/serve/alice/rc/mnist", &target));
    assert_string_equal(target.open, "");
    tell(KIND_RAYSERVICE, ENGINE_ADDED, ANNOTATED("s1", "/iris", ""));
    assert_true(resolve("/serve/alice/rc/iris", &target));
    assert_string_equal(target.open, "/iris");
    tell(KIND_RAYSERVICE, ENGINE_DELETED, ANNOTATED("s1", "/iris", ""));
    assert_true(resolve("/serve/alice/rc/iris", &target));
    assert_string_equal(target.open, "");
    tell(KIND_RAYCLUSTER, ENGINE_MODIFIED, CLUSTER);
    assert_true(resolve("/serve/alice/rc/mnist", &target));
    assert_string_equal(target.open, "");
}

/* What a RayService tells of its applications: /mnist is open, and so is by gRPC the one that is there. */
#define TELLING(prefixes, config, active, applications)                                                                \
    "{\"metadata\":{\"name\":\"s1\",\"namespace\":\"alice\",\"annotations\":{\"atelier.dev/public-apps\":\"" prefixes  \
    "\"}},\"spec\":{\"serveConfigV2\":\"" config                                                                       \
    "\"},\"status\":{\"activeServiceStatus\":{\"rayClusterName\":\"" active                                            \
    "\",\"applicationStatuses\":{" applications "}}}}"
#define TWO                                                                                                            \
    "applications: [{name: a, route_prefix: /mnist}, {name: b, route_prefix: /other}, {name: c, route_prefix: null}]"
#define RUNNING(name) "\"" name "\":{\"status\":\"RUNNING\"}"

static bool opens(const char *name, enum route_kind kind)
{
    struct route route = {.kind = kind, .namespace = "alice", .name = "rc", .tail = slice_of(name)};
    struct target target = {0};
    assert_true(routes_resolve(routes, &route, &target));
    assert_true(!target.open[0] || strcmp(target.open, name) == 0);
    return target.open[0] != '\0';
}

static void applications_are_opened_to_grpc(void **state)
{
    (void)state;
    tell(KIND_RAYCLUSTER, ENGINE_MODIFIED, ANNOTATED("rc", "/", ""));
    assert_false(opens("a", ROUTE_SERVE_GRPC)); /* nothing tells which applications it has */
    tell(KIND_RAYCLUSTER, ENGINE_MODIFIED, ANNOTATED("rc", "/", "," OWNED("RayService", "s1")));
    tell(KIND_RAYSERVICE, ENGINE_ADDED, TELLING("/mnist", TWO, "rc", RUNNING("a") "," RUNNING("b") "," RUNNING("c")));
    assert_true(opens("a", ROUTE_SERVE_GRPC));
    static const char *const closed[] = {"b", "c", "", "a\n", "A", "default", "mnist", "/mnist"};
    for (size_t i = 0; i < COUNT_OF(closed); i++)
        assert_false(opens(closed[i], ROUTE_SERVE_GRPC));
    assert_false(opens("a", ROUTE_RAY_CLIENT));
    tell(KIND_RAYSERVICE, ENGINE_MODIFIED, TELLING("/", TWO, "rc", RUNNING("a") "," RUNNING("b") "," RUNNING("c")));
    assert_true(opens("a", ROUTE_SERVE_GRPC) && opens("b", ROUTE_SERVE_GRPC));
    assert_false(opens("c", ROUTE_SERVE_GRPC)); /* it has no path, so no path opens it */
    /* Not yet running, no longer wanted, on another cluster, nameless in a way that is not Serve's: Serve would lead
     * such a call to whichever single application it has. */
    tell(KIND_RAYSERVICE, ENGINE_MODIFIED, TELLING("/", TWO, "rc", RUNNING("b")));
    assert_false(opens("a", ROUTE_SERVE_GRPC));
    tell(KIND_RAYSERVICE, ENGINE_MODIFIED, TELLING("/", "applications: [{name: b}]", "rc", RUNNING("a")));
    assert_false(opens("a", ROUTE_SERVE_GRPC));
    tell(KIND_RAYSERVICE, ENGINE_MODIFIED, TELLING("/", TWO, "rc2", RUNNING("a")));
    assert_false(opens("a", ROUTE_SERVE_GRPC));
    tell(KIND_RAYSERVICE, ENGINE_MODIFIED, TELLING("/", "applications: [{name: 7}]", "rc", RUNNING("default")));
    assert_false(opens("default", ROUTE_SERVE_GRPC));
    tell(KIND_RAYSERVICE, ENGINE_MODIFIED, TELLING("/", "applications: [{}]", "rc", RUNNING("default")));
    assert_true(opens("default", ROUTE_SERVE_GRPC));
    tell(KIND_RAYSERVICE, ENGINE_DELETED, TELLING("/", TWO, "rc", RUNNING("a")));
    assert_false(opens("a", ROUTE_SERVE_GRPC));
    tell(KIND_RAYCLUSTER, ENGINE_MODIFIED, CLUSTER);
}

/* Whose applications these are, and where one answers: for whoever may use one alone. */
static void it_is_said_whose_application_is_asked(void **state)
{
    (void)state;
    struct target target;
    tell(KIND_SERVICE, ENGINE_ADDED, RAY_SERVICE("s1-serve-svc", "{\"name\":\"serve\",\"port\":8000}"));
    assert_true(resolve("/serve/alice/rc/mnist", &target));
    assert_string_equal(target.service_uid, "");
    tell(KIND_RAYCLUSTER, ENGINE_MODIFIED, ANNOTATED("rc", "", "," OWNED("RayService", "s1")));
    static const char *const paths[] = {"/serve/alice/rc/mnist", "/serve/alice/s1/mnist"};
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        assert_true(resolve(paths[i], &target));
        assert_string_equal(target.uid, "uid-rc");
        assert_string_equal(target.service_uid, "uid-s1");
        assert_string_equal(target.owner_name, "rc");
        assert_string_equal(target.path, ""); /* the request says it */
    }
    tell(KIND_RAYSERVICE, ENGINE_ADDED, TELLING("", TWO, "rc", RUNNING("a") "," RUNNING("c")));
    static const struct {
        const char *name, *path;
    } calls[] = {{"a", "/mnist"}, {"b", ""}, {"c", ""}, {"", ""}, {"/mnist\ta", ""}, {"/mnist", ""}, {"A", ""}};
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        const struct route route = {
            .kind = ROUTE_SERVE_GRPC, .namespace = "alice", .name = "rc", .tail = slice_of(calls[i].name)};
        assert_true(routes_resolve(routes, &route, &target));
        assert_string_equal(target.path, calls[i].path);
        assert_string_equal(target.service_uid, "uid-s1");
        assert_string_equal(target.open, ""); /* to nobody */
    }
    tell(KIND_RAYSERVICE, ENGINE_MODIFIED, TELLING("", TWO, "rc2", RUNNING("a")));
    const struct route elsewhere = {.kind = ROUTE_SERVE_GRPC, .namespace = "alice", .name = "rc", .tail = SLICE("a")};
    assert_true(routes_resolve(routes, &elsewhere, &target));
    assert_string_equal(target.path, "");
    tell(KIND_SERVICE, ENGINE_DELETED, HEAD_SERVICE); /* it sleeps */
    assert_true(resolve("/serve/alice/rc/mnist", &target));
    assert_string_equal(target.service_uid, "uid-s1");
}

#define FORTY "abcdefghijabcdefghijabcdefghijabcdefghij"
#define LONG(name) "{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"alice\"}}"

static void long_names_are_found_by_their_labels(void **state)
{
    (void)state;
    static const char *const kinds[] = {"rayclient", "grpc"};
    static const enum engine_kind objects[] = {KIND_RAYCLUSTER, KIND_RAYSERVICE};
    struct route route;
    char label[64];
    for (size_t i = 0; i < COUNT_OF(objects); i++) {
        tell(objects[i], ENGINE_ADDED, LONG(FORTY "-and-more-bytes"));
        for (size_t k = 0; k < COUNT_OF(kinds); k++) {
            resource_label(kinds[k], "alice", FORTY "-and-more-bytes", label);
            assert_true(routes_find_label(routes, slice_of(label), &route));
            assert_string_equal(route.name, FORTY "-and-more-bytes");
            assert_string_equal(route.namespace, "alice");
            assert_int_equal(route.kind, k ? ROUTE_SERVE_GRPC : ROUTE_RAY_CLIENT);
            label[62] = label[62] == '0' ? '1' : '0';
            assert_false(routes_find_label(routes, slice_of(label), &route));
        }
        assert_false(routes_find_label(routes, SLICE("grpc-rc--alice"), &route)); /* it says so itself */
        resource_label("ray", "alice", FORTY "-and-more-bytes", label);
        assert_false(routes_find_label(routes, slice_of(label), &route));
        tell(objects[i], ENGINE_DELETED, LONG(FORTY "-and-more-bytes"));
        resource_label("grpc", "alice", FORTY "-and-more-bytes", label);
        assert_false(routes_find_label(routes, slice_of(label), &route));
    }
}

#define SLEEPING(resume, suspend)                                                                                      \
    "{\"metadata\":{\"name\":\"rc\",\"namespace\":\"alice\",\"annotations\":{\"atelier.dev/"                           \
    "resume-on-request\":" resume "}},\"spec\":{\"suspend\":" suspend "}}"
#define ALICES(annotations) "{\"metadata\":{\"name\":\"alice\",\"annotations\":{" annotations "}}}"

static int state_of(const char *path)
{
    struct target target;
    assert_true(resolve(path, &target));
    return (int)target.state;
}

/* By its own word or its profile's; on every way to it. */
static void a_suspended_cluster_may_be_started_by_a_request(void **state)
{
    (void)state;
    static const char *const paths[] = {"/ray/alice/rc/", "/serve/alice/rc/predict", "/tunnel/alice/rc-head-svc/10001"};
    tell(KIND_RAYCLUSTER, ENGINE_MODIFIED, SLEEPING("null", "true"));
    assert_int_equal(state_of(paths[0]), TARGET_AS_IT_IS);
    tell(KIND_RAYCLUSTER, ENGINE_MODIFIED, SLEEPING("\"always\"", "true"));
    for (size_t i = 0; i < COUNT_OF(paths); i++)
        assert_int_equal(state_of(paths[i]), TARGET_RESUMES);
    assert_int_equal(state_of("/notebook/alice/nb1/"), TARGET_AS_IT_IS);
    tell(KIND_RAYCLUSTER, ENGINE_MODIFIED, SLEEPING("\"always\"", "false"));
    assert_int_equal(state_of(paths[0]), TARGET_STARTING);
    tell(KIND_RAYCLUSTER, ENGINE_MODIFIED, SLEEPING("null", "true"));
    tell(KIND_PROFILE, ENGINE_MODIFIED, ALICES("\"atelier.dev/resume-on-request\":\"always\""));
    assert_int_equal(state_of(paths[0]), TARGET_RESUMES);
    tell(KIND_PROFILE, ENGINE_MODIFIED, ALICES(""));
    assert_int_equal(state_of(paths[0]), TARGET_AS_IT_IS);
}

static void notebooks_lead_somewhere_without_ray(void **state)
{
    (void)state;
    struct target target;
    routes_free(routes);
    fake.no_ray = true;
    assert_int_equal(routes_new(&fake.base, &routes, NULL), 0);
    assert_true(resolve("/notebook/alice/nb1/", &target));
}

static void a_lost_watch_is_made_up_for(void **state)
{
    (void)state;
    struct target target;
    int lists = fake.lists;
    cJSON_Delete(fake.objects[KIND_SERVICE]);
    fake.objects[KIND_SERVICE] = NULL;
    hold(KIND_SERVICE, NB_SERVICE);
    fake.failures = 1; /* and the engine is away for a moment */
    tell(KIND_SERVICE, ENGINE_LOST, NULL);
    for (int i = 0; i < 400 && fake.lists < lists + 2; i++)
        clock_sleep_ms(10);
    for (int i = 0; i < 100 && answers("/ray/alice/rc/"); i++)
        clock_sleep_ms(10);
    assert_false(answers("/ray/alice/rc/"));
    assert_true(resolve("/notebook/alice/nb1/", &target));
}

int main(void)
{
    log_start("routes_test", LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(paths_lead_to_services, start, stop),
        cmocka_unit_test_setup_teardown(others_lead_nowhere, start, stop),
        cmocka_unit_test_setup_teardown(a_tunnel_leads_to_any_number, start, stop),
        cmocka_unit_test_setup_teardown(changes_are_followed, start, stop),
        cmocka_unit_test_setup_teardown(a_cluster_without_a_head_is_there, start, stop),
        cmocka_unit_test_setup_teardown(a_lost_watch_is_made_up_for, start, stop),
        cmocka_unit_test_setup_teardown(ray_services_lead_to_their_cluster, start, stop),
        cmocka_unit_test_setup_teardown(kuberays_own_secret_is_found, start, stop),
        cmocka_unit_test_setup_teardown(a_persons_own_secret_is_found, start, stop),
        cmocka_unit_test_setup_teardown(missing_secrets_are_read_at_a_bounded_rate, start, stop),
        cmocka_unit_test_setup_teardown(applications_are_opened_and_closed, start, stop),
        cmocka_unit_test_setup_teardown(applications_are_opened_to_grpc, start, stop),
        cmocka_unit_test_setup_teardown(it_is_said_whose_application_is_asked, start, stop),
        cmocka_unit_test_setup_teardown(long_names_are_found_by_their_labels, start, stop),
        cmocka_unit_test_setup_teardown(a_suspended_cluster_may_be_started_by_a_request, start, stop),
        cmocka_unit_test_setup_teardown(notebooks_lead_somewhere_without_ray, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
