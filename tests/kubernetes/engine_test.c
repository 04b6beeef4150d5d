/* Does the kubernetes engine read, write, apply, watch and lead as engine.h says, against a real API server? */
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "engine/kubernetes/internal.h"
#include "tests/unit/documents.h"

#define PATIENCE_MS 60000

static struct engine *engine;

static struct engine *open_engine(const char *identity, bool elects)
{
    struct engine *opened = NULL;
    struct error error = {0};
    const struct kubernetes_options options = {.kubeconfig = getenv("ATELIER_TEST_KUBECONFIG"),
                                               .context = "",
                                               .namespace = "default",
                                               .tenant_namespace = "atelier-tenants",
                                               .identity = identity,
                                               .images = "",
                                               .leader_election = elects};
    if (kubernetes_engine_new(&options, PATIENCE_MS, &opened, &error) < 0)
        fail_msg("%s", error.message);
    return opened;
}

static int set_up(void **state)
{
    (void)state;
    engine = open_engine("test", false);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kubernetes_engine_free(engine);
    return 0;
}

#define DO(call_)                                                                                                      \
    do {                                                                                                               \
        struct error error = {0};                                                                                      \
        if ((call_) < 0)                                                                                               \
            fail_msg("%s: %s %s", #call_, error.field, error.message);                                                 \
    } while (0)

static void make_namespace(const char *name)
{
    AUTO_FREE char *text = memory_format("{\"metadata\":{\"name\":\"%s\"}}", name);
    AUTO_JSON cJSON *namespace = from_json(text);
    DO(engine_apply(engine, KIND_NAMESPACE, NULL, namespace, NULL, &error));
}

static bool eventually(bool (*question)(void *context), void *context)
{
    for (int64_t until = clock_monotonic_ms() + PATIENCE_MS; clock_monotonic_ms() < until; clock_sleep_ms(20))
        if (question(context))
            return true;
    return false;
}

/* --- objects ------------------------------------------------------------------------------------------------------ */

static void own_writes_are_seen_at_once(void **state)
{
    (void)state;
    make_namespace("writes");
    AUTO_JSON cJSON *service = from_json("{\"metadata\":{\"name\":\"s1\"},\"spec\":{\"ports\":[{\"port\":80}]}}");
    AUTO_JSON cJSON *made = NULL;
    AUTO_JSON cJSON *read = NULL;
    AUTO_JSON cJSON *list = NULL;
    struct error none = {0};
    DO(engine_create(engine, KIND_SERVICE, "writes", service, &made, &error));
    DO(engine_get(engine, KIND_SERVICE, "writes", "s1", &read, &error));
    assert_string_equal(json_text(read, "metadata", "uid", NULL), json_text(made, "metadata", "uid", NULL));
    assert_int_equal(engine_create(engine, KIND_SERVICE, "writes", service, NULL, &none), -ERROR_EXISTS);
    AUTO_JSON cJSON *patch = from_json("{\"metadata\":{\"labels\":{\"a\":\"b\"}}}");
    DO(engine_patch(engine, KIND_SERVICE, "writes", "s1", ENGINE_SPEC, ENGINE_PATCH_MERGE, patch, NULL, &error));
    DO(engine_list(engine, KIND_SERVICE, "writes", &(struct engine_list_options){.label_selector = "a=b"}, &list,
                   &error));
    assert_int_equal(cJSON_GetArraySize(json_member(list, "items")), 1);
    /* A write with an old version loses. */
    json_set_text(json_object_in(read, "metadata"), "resourceVersion",
                  json_text(made, "metadata", "resourceVersion", NULL));
    assert_int_equal(engine_update(engine, KIND_SERVICE, "writes", "s1", ENGINE_SPEC, read, NULL, &none),
                     -ERROR_CONFLICT);
    DO(engine_delete(engine, KIND_SERVICE, "writes", "s1", NULL, &error));
    AUTO_JSON cJSON *gone = NULL;
    assert_int_equal(engine_get(engine, KIND_SERVICE, "writes", "s1", &gone, &none), -ERROR_NOT_FOUND);
}

static void errors_name_the_field(void **state)
{
    (void)state;
    AUTO_JSON cJSON *service = from_json("{\"metadata\":{\"name\":\"bad\"},\"spec\":{\"ports\":[{\"port\":99999}]}}");
    AUTO_JSON cJSON *named = from_json("{\"metadata\":{\"name\":\"x\"}}");
    AUTO_JSON cJSON *got = NULL;
    struct error error = {0};
    assert_int_equal(engine_create(engine, KIND_SERVICE, "default", service, NULL, &error), -ERROR_INVALID);
    assert_string_equal(error.field, "spec.ports[0].port");
    assert_int_equal(engine_create(engine, KIND_CONFIGMAP, "nowhere", named, NULL, &error), -ERROR_NOT_FOUND);
    assert_int_equal(engine_get(engine, KIND_POD, "..", "x", &got, &error), -ERROR_NOT_FOUND);
    assert_int_equal(engine_get(engine, KIND_CONFIGMAP, "default", "../secrets/x", &got, &error), -ERROR_NOT_FOUND);
}

/* Of KubeRay's definitions there are many versions: what one has not would be dropped without a word. */
static void what_a_definition_has_not_is_refused(void **state)
{
    (void)state;
    static const struct {
        enum engine_patch type;
        const char *patch;
    } cases[] = {{ENGINE_PATCH_MERGE, "{\"spec\":{\"authOptions\":{\"later\":1}}}"},
                 {ENGINE_PATCH_JSON, "[{\"op\":\"add\",\"path\":\"/spec/authOptions\",\"value\":{\"later\":1}}]"}};
    AUTO_JSON cJSON *cluster = from_json("{\"metadata\":{\"name\":\"rc\"},\"spec\":{\"authOptions\":{\"later\":1},"
                                         "\"headGroupSpec\":{\"template\":{}}}}");
    AUTO_JSON cJSON *made = NULL;
    struct error said = {0};
    assert_true(engine_create(engine, KIND_RAYCLUSTER, "default", cluster, NULL, &said) < 0);
    assert_non_null(strstr(said.message, "unknown field \"spec.authOptions.later\""));
    json_remove(json_object_in(cluster, "spec"), "authOptions");
    DO(engine_create(engine, KIND_RAYCLUSTER, "default", cluster, &made, &error));
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_JSON cJSON *patch = from_json(cases[i].patch);
        said = (struct error){0};
        assert_true(
            engine_patch(engine, KIND_RAYCLUSTER, "default", "rc", ENGINE_SPEC, cases[i].type, patch, NULL, &said) < 0);
        assert_non_null(strstr(said.message, "unknown field \"spec.authOptions.later\""));
    }
    json_set_i64(json_object_in(json_object_in(made, "spec"), "authOptions"), "later", 1);
    assert_true(engine_update(engine, KIND_RAYCLUSTER, "default", "rc", ENGINE_SPEC, made, NULL, &said) < 0);
    DO(engine_delete(engine, KIND_RAYCLUSTER, "default", "rc", NULL, &error));
}

/* --- applying ----------------------------------------------------------------------------------------------------- */

static const char quota[] = "{\"metadata\":{\"name\":\"q\"},\"spec\":{\"hard\":{\"pods\":\"5\"}}}";
static const char policy[] =
    "{\"metadata\":{\"name\":\"n\"},\"spec\":{\"podSelector\":{},\"policyTypes\":[\"Ingress\"]}}";

static bool apply(struct engine *with, enum engine_kind kind, const char *namespace, const char *json)
{
    AUTO_JSON cJSON *wanted = from_json(json);
    bool written = false;
    DO(engine_apply(with, kind, namespace, wanted, &written, &error));
    return written;
}

struct drift {
    enum engine_kind kind;
    const char *namespace, *json;
};

static bool is_written_again(void *context)
{
    const struct drift *drift = context;
    return apply(engine, drift->kind, drift->namespace, drift->json);
}

/* The cluster's object as it is, which comes into the memory of <with> a moment after it was written. */
struct newest {
    struct engine *with;
    enum engine_kind kind;
    const char *namespace, *name;
};

static bool has_newest(void *context)
{
    const struct newest *newest = context;
    struct kubernetes *kubernetes = kubernetes_of(newest->with);
    AUTO_JSON cJSON *object = NULL;
    DO(object_get_live(kubernetes, newest->kind, newest->namespace, newest->name, &object, &error));
    struct record *record = cache_find(kubernetes->caches[newest->kind], newest->namespace, newest->name);
    AUTO_FREE char *version = memory_format("%" PRIu64, record ? record->version : 0);
    record_unref(record);
    return strcmp(version, json_text_or("", object, "metadata", "resourceVersion", NULL)) == 0;
}

static void change_as_somebody(enum engine_kind kind, const char *namespace, const char *name, const char *json)
{
    struct kubernetes *kubernetes = kubernetes_of(engine);
    AUTO_FREE char *target = memory_format("%s%s/namespaces/%s/%s/%s?fieldManager=somebody",
                                           engine_kinds[kind].group[0] ? "/apis/" : "/api/", engine_api_version(kind),
                                           namespace, engine_kinds[kind].plural, name);
    DO(kube_call(kubernetes->client,
                 &(struct kube_request){.method = "PATCH",
                                        .target = target,
                                        .content_type = "application/merge-patch+json",
                                        .body = slice_of(json)},
                 NULL, &error));
}

static void what_is_there_costs_no_write_and_drift_is_undone(void **state)
{
    (void)state;
    struct drift drifts[] = {{KIND_RESOURCEQUOTA, "drift", quota}, {KIND_NETWORKPOLICY, "drift", policy}};
    static const char *const changes[] = {"{\"spec\":{\"hard\":{\"pods\":\"500\"}}}",
                                          "{\"spec\":{\"policyTypes\":[\"Egress\"]}}"};
    static const char *const names[] = {"q", "n"};
    make_namespace("drift");
    for (size_t i = 0; i < COUNT_OF(drifts); i++) {
        assert_true(apply(engine, drifts[i].kind, "drift", drifts[i].json));
        assert_false(apply(engine, drifts[i].kind, "drift", drifts[i].json));
        change_as_somebody(drifts[i].kind, "drift", names[i], changes[i]);
        assert_true(eventually(is_written_again, &drifts[i]));
        assert_false(apply(engine, drifts[i].kind, "drift", drifts[i].json));
        /* What others add is theirs. */
        change_as_somebody(drifts[i].kind, "drift", names[i], "{\"metadata\":{\"annotations\":{\"their\":\"own\"}}}");
        struct newest change = {engine, drifts[i].kind, "drift", names[i]};
        assert_true(eventually(has_newest, &change));
        assert_false(apply(engine, drifts[i].kind, "drift", drifts[i].json));
    }
}

static void after_a_restart_nothing_is_written(void **state)
{
    (void)state;
    char name[24];
    int written = 0;
    for (int i = 0; i < 8; i++) {
        snprintf(name, sizeof(name), "shape-%d", i);
        make_namespace(name);
        assert_true(apply(engine, KIND_NETWORKPOLICY, name, policy));
    }
    struct engine *fresh = open_engine("fresh", false);
    for (int i = 0; i < 8; i++) {
        snprintf(name, sizeof(name), "shape-%d", i);
        struct newest policy_made = {fresh, KIND_NETWORKPOLICY, name, "n"};
        assert_true(eventually(has_newest, &policy_made)); /* it begins with what the API server has in memory */
        written += apply(fresh, KIND_NETWORKPOLICY, name, policy);
    }
    kubernetes_engine_free(fresh);
    assert_int_equal(written, 0);
}

static void what_others_made_is_left_alone(void **state)
{
    (void)state;
    struct kubernetes *kubernetes = kubernetes_of(engine);
    AUTO_JSON cJSON *wanted = from_json(policy);
    struct error none = {0};
    DO(kube_call(
        kubernetes->client,
        &(struct kube_request){.method = "POST",
                               .target = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies",
                               .content_type = "application/json",
                               .body = slice_of("{\"metadata\":{\"name\":\"n\"},\"spec\":{\"podSelector\":{}}}")},
        NULL, &error));
    assert_int_equal(engine_apply(engine, KIND_NETWORKPOLICY, "default", wanted, NULL, &none), -ERROR_EXISTS);
    assert_non_null(strstr(none.message, "left alone"));
}

/* --- watching ----------------------------------------------------------------------------------------------------- */

struct seen {
    pthread_mutex_t lock;
    unsigned added, modified, deleted;
    char name[64];
};

static void on_event(void *context, enum engine_event event, const cJSON *item)
{
    struct seen *seen = context;
    const char *name = json_text_or("", item, "metadata", "name", NULL);
    pthread_mutex_lock(&seen->lock);
    if (strcmp(name, seen->name) == 0) {
        seen->added += event == ENGINE_ADDED;
        seen->modified += event == ENGINE_MODIFIED;
        seen->deleted += event == ENGINE_DELETED;
    }
    pthread_mutex_unlock(&seen->lock);
}

static bool saw_all(void *context)
{
    struct seen *seen = context;
    pthread_mutex_lock(&seen->lock);
    bool all = seen->added == 1 && seen->modified >= 1 && seen->deleted == 1;
    pthread_mutex_unlock(&seen->lock);
    return all;
}

static bool saw_deletion(void *context)
{
    struct seen *seen = context;
    pthread_mutex_lock(&seen->lock);
    bool deleted = seen->deleted == 1;
    pthread_mutex_unlock(&seen->lock);
    return deleted;
}

static void a_watch_tells_what_happens(void **state)
{
    (void)state;
    struct seen seen = {.lock = PTHREAD_MUTEX_INITIALIZER, .name = "w1"};
    struct engine_watch *watch = NULL;
    AUTO_JSON cJSON *service = from_json("{\"metadata\":{\"name\":\"w1\"},\"spec\":{\"ports\":[{\"port\":80}]}}");
    AUTO_JSON cJSON *patch = from_json("{\"metadata\":{\"labels\":{\"a\":\"b\"}}}");
    make_namespace("watched");
    DO(engine_watch(engine, KIND_SERVICE, "watched", NULL, NULL, on_event, &seen, &watch, &error));
    DO(engine_create(engine, KIND_SERVICE, "watched", service, NULL, &error));
    DO(engine_patch(engine, KIND_SERVICE, "watched", "w1", ENGINE_SPEC, ENGINE_PATCH_MERGE, patch, NULL, &error));
    DO(engine_delete(engine, KIND_SERVICE, "watched", "w1", NULL, &error));
    assert_true(eventually(saw_all, &seen));
    engine_unwatch(watch);
}

/* What a person writes through this process is nobody's own, and what one reconciler writes another must hear of. */
static void a_persons_writes_are_those_of_others(void **state)
{
    (void)state;
    const struct engine_list_options others = {.others_than = &engine};
    struct seen seen = {.lock = PTHREAD_MUTEX_INITIALIZER, .name = "o1"}, own = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct seen another = {.lock = PTHREAD_MUTEX_INITIALIZER, .name = "o2"};
    const struct engine_list_options than_another = {.others_than = &another};
    struct engine_watch *watch = NULL, *other = NULL, *third = NULL;
    AUTO_JSON cJSON *mine = from_json("{\"metadata\":{\"name\":\"o1\"},\"spec\":{\"ports\":[{\"port\":80}]}}");
    AUTO_JSON cJSON *theirs = from_json("{\"metadata\":{\"name\":\"o2\"},\"spec\":{\"ports\":[{\"port\":80}]}}");
    AUTO_JSON cJSON *patch = from_json("{\"metadata\":{\"labels\":{\"a\":\"b\"}}}");
    snprintf(own.name, sizeof(own.name), "o2");
    make_namespace("others");
    DO(engine_watch(engine, KIND_SERVICE, "others", &others, NULL, on_event, &seen, &watch, &error));
    DO(engine_watch(engine, KIND_SERVICE, "others", &others, NULL, on_event, &own, &other, &error));
    DO(engine_watch(engine, KIND_SERVICE, "others", &than_another, NULL, on_event, &another, &third, &error));
    DO(engine_create(engine, KIND_SERVICE, "others", mine, NULL, &error));
    DO(engine_patch(engine, KIND_SERVICE, "others", "o1", ENGINE_SPEC, ENGINE_PATCH_MERGE, patch, NULL, &error));
    engine_reconciling(&engine);
    DO(engine_create(engine, KIND_SERVICE, "others", theirs, NULL, &error));
    engine_reconciling(NULL);
    DO(engine_patch(engine, KIND_SERVICE, "others", "o2", ENGINE_SPEC, ENGINE_PATCH_MERGE, patch, NULL, &error));
    DO(engine_delete(engine, KIND_SERVICE, "others", "o1", NULL, &error));
    DO(engine_delete(engine, KIND_SERVICE, "others", "o2", NULL, &error));
    assert_true(eventually(saw_all, &seen));
    assert_true(eventually(saw_all, &another));
    assert_true(eventually(saw_deletion, &own));
    assert_true(own.modified >= 1);
    engine_unwatch(watch);
    engine_unwatch(other);
    engine_unwatch(third);
}

/* --- leading ------------------------------------------------------------------------------------------------------ */

static bool does_lead(void *context)
{
    return engine_leads(context);
}

static cJSON *read_lease(void)
{
    cJSON *lease = NULL;
    const struct kube_request get = {.method = "GET",
                                     .target = "/apis/coordination.k8s.io/v1/namespaces/default/leases/" LEASE_NAME};
    DO(kube_call(kubernetes_of(engine)->client, &get, &lease, &error));
    return lease;
}

static void one_leads_and_hands_over(void **state)
{
    (void)state;
    struct engine *first = open_engine("first", true);
    assert_true(eventually(does_lead, first));
    struct engine *second = open_engine("second", true);
    clock_sleep_ms(LEASE_RENEW_MS + 500);
    assert_true(engine_leads(first));
    assert_false(engine_leads(second));
    /* A reconciler that does not lead writes nothing. */
    AUTO_JSON cJSON *map = from_json("{\"metadata\":{\"name\":\"fenced\"}}");
    struct error error = {0};
    engine_reconciling(&engine);
    assert_int_equal(engine_create(second, KIND_CONFIGMAP, "default", map, NULL, &error), -ERROR_UNAVAILABLE);
    engine_reconciling(NULL);
    kubernetes_engine_free(first); /* gives the Lease back */
    AUTO_JSON cJSON *lease = read_lease();
    assert_string_not_equal(json_text_or("", lease, "spec", "holderIdentity", NULL), "first");
    assert_true(eventually(does_lead, second));
    kubernetes_engine_free(second);
}

/* --- what pods use ------------------------------------------------------------------------------------------------ */

static void ask_cluster(const char *method, const char *target, const char *body)
{
    DO(kube_call(kubernetes_of(engine)->client,
                 &(struct kube_request){
                     .method = method, .target = target, .content_type = "application/json", .body = slice_of(body)},
                 NULL, &error));
}

static bool measures(void *context)
{
    AUTO_JSON cJSON *measured = NULL;
    if (engine_measure(engine, &measured, NULL) != 0 || !measured->child)
        return false;
    *(cJSON **)context = TAKE_POINTER(measured);
    return true;
}

/* The group as the API server serves it for a kind of that shape: what metrics-server does is aggregated there, too. */
static void pods_are_measured_where_somebody_does(void **state)
{
    (void)state;
    AUTO_JSON cJSON *none = NULL;
    AUTO_JSON cJSON *measured = NULL;
    struct error error = {0};
    int64_t memory_bytes = 0;
    assert_int_equal(engine_measure(engine, &none, &error), -ERROR_METHOD);
    assert_non_null(strstr(error.message, "metrics-server"));
    make_namespace("measured");
    ask_cluster("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
                "{\"metadata\":{\"name\":\"pods.metrics.k8s.io\",\"annotations\":"
                "{\"api-approved.kubernetes.io\":\"unapproved, for a test\"}},"
                "\"spec\":{\"group\":\"metrics.k8s.io\",\"scope\":\"Namespaced\",\"names\":{\"plural\":\"pods\","
                "\"singular\":\"pod\",\"kind\":\"PodMetrics\",\"listKind\":\"PodMetricsList\"},\"versions\":[{\"name\":"
                "\"v1beta1\",\"served\":true,\"storage\":true,\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\","
                "\"x-kubernetes-preserve-unknown-fields\":true}}}]}}");
    AUTO_JSON cJSON *pod = from_json("{\"apiVersion\":\"metrics.k8s.io/v1beta1\",\"kind\":\"PodMetrics\",\"metadata\":"
                                     "{\"name\":\"rc-head\"},\"window\":\"15s\",\"containers\":["
                                     "{\"name\":\"ray-head\",\"usage\":{\"cpu\":\"1250000000n\",\"memory\":\"512Mi\"}},"
                                     "{\"name\":\"autoscaler\",\"usage\":{\"cpu\":\"50m\",\"memory\":\"1024Ki\"}}]}");
    AUTO_FREE char *text = json_print(pod);
    bool made = false;
    for (int64_t until = clock_monotonic_ms() + PATIENCE_MS; !made && clock_monotonic_ms() < until; clock_sleep_ms(50))
        made = kube_call(kubernetes_of(engine)->client,
                         &(struct kube_request){.method = "POST",
                                                .target = "/apis/metrics.k8s.io/v1beta1/namespaces/measured/pods",
                                                .content_type = "application/json",
                                                .body = slice_of(text)},
                         NULL, NULL) == 0;
    assert_true(made);
    assert_true(eventually(measures, &measured));
    assert_string_equal(json_text(measured->child, "namespace", NULL), "measured");
    assert_string_equal(json_text(measured->child, "name", NULL), "rc-head");
    assert_true(cJSON_GetNumberValue(json_member(measured->child, "cpu")) == 1.3);
    assert_true(json_i64(json_member(measured->child, "memory"), &memory_bytes) && memory_bytes == 513 << 20);
    ask_cluster("DELETE", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/pods.metrics.k8s.io", "");
}

/* --- where pods find it ------------------------------------------------------------------------------------------- */

static void pods_are_told_every_address_of_the_api_server(void **state)
{
    (void)state;
    static const char slices[] = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
    AUTO_JSON cJSON *addresses = NULL;
    ask_cluster("POST", slices,
                "{\"metadata\":{\"name\":\"kubernetes\"},\"addressType\":\"IPv4\",\"ports\":[{\"name\":\"https\","
                "\"port\":6443}],"
                "\"endpoints\":[{\"addresses\":[\"10.9.0.9\"]},{\"addresses\":[\"10.9.0.2\"]}]}");
    struct engine *fresh = open_engine("addresses", false);
    DO(engine_api_addresses(fresh, &addresses, &error));
    AUTO_FREE char *text = json_print(addresses);
    assert_string_equal(text, "[{\"address\":\"10.9.0.2\",\"port\":6443},{\"address\":\"10.9.0.9\",\"port\":6443},"
                              "{\"address\":\"10.96.0.1\",\"port\":443}]");
    kubernetes_engine_free(fresh);
    ask_cluster("DELETE", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes", "");
}

static void add_visited(void *context, const cJSON *object)
{
    json_push_text(context, json_text_or("", object, "metadata", "name", NULL));
}

/* --- the API server goes ------------------------------------------------------------------------------------------ */

static void cluster(const char *verb)
{
    AUTO_FREE char *command = memory_format("tests/kubernetes/cluster.sh %s %s kube-apiserver >/dev/null 2>&1", verb,
                                            getenv("ATELIER_TEST_CLUSTER"));
    if (system(command) != 0)
        fail_msg("%s", command);
}

static bool finds_late(void *context)
{
    AUTO_JSON cJSON *got = NULL;
    (void)context;
    return engine_get(engine, KIND_SERVICE, "away", "late", &got, NULL) == 0;
}

static bool creates_late(void *context)
{
    int r = engine_create(engine, KIND_SERVICE, "away", context, NULL, NULL);
    return r == 0 || r == -ERROR_EXISTS; /* by a try whose answer was lost */
}

static void memory_serves_while_the_api_server_is_away(void **state)
{
    (void)state;
    AUTO_JSON cJSON *service = from_json("{\"metadata\":{\"name\":\"early\"},\"spec\":{\"ports\":[{\"port\":80}]}}");
    AUTO_JSON cJSON *late = from_json("{\"metadata\":{\"name\":\"late\"},\"spec\":{\"ports\":[{\"port\":80}]}}");
    AUTO_JSON cJSON *got = NULL;
    AUTO_JSON cJSON *ours = from_json("{\"metadata\":{\"name\":\"ours\"},\"stringData\":{\"a\":\"b\"}}");
    AUTO_JSON cJSON *theirs = from_json("{\"metadata\":{\"name\":\"theirs\"},\"stringData\":{\"a\":\"b\"}}");
    AUTO_JSON cJSON *names = json_array();
    const struct engine_list_options made_here = {.label_selector = ENGINE_OURS};
    struct seen seen = {.lock = PTHREAD_MUTEX_INITIALIZER, .name = "early"};
    struct engine_watch *watch = NULL;
    make_namespace("away");
    DO(engine_apply(engine, KIND_SECRET, "away", ours, NULL, &error));
    DO(engine_create(engine, KIND_SECRET, "away", theirs, NULL, &error));
    DO(engine_create(engine, KIND_SERVICE, "away", service, NULL, &error));
    DO(engine_watch(engine, KIND_SERVICE, "away", NULL, NULL, on_event, &seen, &watch, &error));
    cluster("kill");
    DO(engine_get(engine, KIND_SERVICE, "away", "early", &got, &error));
    DO(engine_each(engine, KIND_SECRET, "away", &made_here, add_visited, names, NULL, &error));
    AUTO_FREE char *visited = json_print(names);
    assert_string_equal(visited, "[\"ours\"]");
    assert_true(engine_each(engine, KIND_SECRET, "away", NULL, add_visited, names, NULL, NULL) < 0);
    assert_true(engine_ready(engine, NULL));
    cluster("start");
    assert_true(eventually(creates_late, late));
    assert_true(eventually(finds_late, NULL));
    assert_int_equal(seen.deleted, 0);
    engine_unwatch(watch);
}

/* Of a kind that is kept in memory, and of one that is asked for each time. */
static void each_visits_what_a_list_holds(void **state)
{
    static const enum engine_kind kinds[] = {KIND_SERVICE, KIND_CONFIGMAP};
    static const char *const made[] = {"e1", "e2", "e3"};
    const struct engine_list_options odd = {.label_selector = "number!=e2,number"};
    (void)state;
    make_namespace("each");
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        for (size_t k = 0; k < COUNT_OF(made); k++) {
            AUTO_FREE char *text =
                memory_format("{\"metadata\":{\"name\":\"%s\",\"labels\":{\"number\":\"%s\"}}%s}", made[k], made[k],
                              kinds[i] == KIND_SERVICE ? ",\"spec\":{\"ports\":[{\"port\":80}]}" : "");
            AUTO_JSON cJSON *object = from_json(text);
            DO(engine_create(engine, kinds[i], "each", object, NULL, &error));
        }
        AUTO_JSON cJSON *visited = json_array();
        AUTO_FREE char *version = NULL;
        struct seen seen = {.lock = PTHREAD_MUTEX_INITIALIZER, .name = "e1"};
        struct engine_watch *watch = NULL;
        DO(engine_each(engine, kinds[i], "each", &odd, add_visited, visited, &version, &error));
        if (engine_watches(engine, kinds[i])) {
            DO(engine_watch(engine, kinds[i], "each", NULL, version, on_event, &seen, &watch, &error));
            DO(engine_delete(engine, kinds[i], "each", "e1", NULL, &error));
            assert_true(eventually(saw_deletion, &seen));
            engine_unwatch(watch);
        }
        AUTO_FREE char *names = json_print(visited);
        assert_string_equal(names, "[\"e1\",\"e3\"]");
    }
    struct error error = {0};
    AUTO_JSON cJSON *visited = json_array();
    assert_true(engine_each(engine, KIND_SERVICE, "each", &(struct engine_list_options){.label_selector = "a in b"},
                            add_visited, visited, NULL, &error) < 0);
    assert_null(visited->child);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_writes_are_seen_at_once),
        cmocka_unit_test(each_visits_what_a_list_holds),
        cmocka_unit_test(errors_name_the_field),
        cmocka_unit_test(what_a_definition_has_not_is_refused),
        cmocka_unit_test(what_is_there_costs_no_write_and_drift_is_undone),
        cmocka_unit_test(after_a_restart_nothing_is_written),
        cmocka_unit_test(what_others_made_is_left_alone),
        cmocka_unit_test(a_watch_tells_what_happens),
        cmocka_unit_test(a_persons_writes_are_those_of_others),
        cmocka_unit_test(one_leads_and_hands_over),
        cmocka_unit_test(pods_are_measured_where_somebody_does),
        cmocka_unit_test(pods_are_told_every_address_of_the_api_server),
        cmocka_unit_test(memory_serves_while_the_api_server_is_away),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
