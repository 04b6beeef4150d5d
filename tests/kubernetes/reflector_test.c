/* Does a cache stay equal to a real API server when connections freeze, lists break off and versions are forgotten? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "engine/kubernetes/metadata_split.h"
#include "engine/kubernetes/reflector.h"
#include "fault_proxy.h"

#define PATIENCE_MS 60000
#define LABEL "test=reflector"
#define OBJECTS 20
#define PAGE 7
#define FILLING 4096 /* an object's; a page is larger than what CUT_BYTES lets through */
#define CUT_BYTES 24000
#define STREAMS 50
#define MAPS "/api/v1/namespaces/reflector/configmaps"

static const struct reflector_times short_times = {.watch_min_s = 300,
                                                   .watch_max_s = 300,
                                                   .silence_ms = 4000,
                                                   .backoff_min_ms = 100,
                                                   .backoff_max_ms = 400,
                                                   .absent_ms = 100};

/* A bookmark comes two seconds before a watch's time is over, or else each minute. */
static const struct reflector_times brief_times = {.watch_min_s = 6,
                                                   .watch_max_s = 6,
                                                   .silence_ms = 60000,
                                                   .backoff_min_ms = 100,
                                                   .backoff_max_ms = 400,
                                                   .absent_ms = 100};

struct house {
    struct kube_client *direct, *client; /* client: through the proxy */
    struct fault_proxy proxy;
    struct names *names;
    struct packer *packer;
    struct trees *trees;
    struct hub *hub;
    struct cache *cache;
    struct reflector *reflector;
};
static struct house house;

/* --- the API server ----------------------------------------------------------------------------------------------- */

static int ask(const char *method, const char *target, const char *body)
{
    struct error error = {0};
    int r = kube_call(house.direct,
                      &(struct kube_request){.method = method,
                                             .target = target,
                                             .content_type = body ? "application/json" : NULL,
                                             .body = slice_of(body ? body : "")},
                      NULL, &error);
    if (r < 0 && r != -ERROR_EXISTS && r != -ERROR_NOT_FOUND && r != -ERROR_UNAVAILABLE)
        fail_msg("%s %s: %s", method, target, error.message);
    return r;
}

/* The API server is back. */
static bool answers(void)
{
    const struct kube_request request = {.method = "GET", .target = MAPS "/new"};
    return kube_call(house.direct, &request, NULL, NULL) == 0;
}

static int create(const char *name)
{
    char filling[FILLING + 1];
    memset(filling, 'x', FILLING);
    filling[FILLING] = '\0';
    AUTO_FREE char *body = memory_format("{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"%s\","
                                         "\"labels\":{\"test\":\"reflector\"}},\"data\":{\"f\":\"%s\"}}",
                                         name, filling);
    return ask("POST", MAPS, body);
}

static void destroy(const char *name)
{
    AUTO_FREE char *target = memory_format(MAPS "/%s", name);
    assert_int_equal(ask("DELETE", target, NULL), 0);
}

static void cluster(const char *verb)
{
    AUTO_FREE char *command = memory_format("tests/kubernetes/cluster.sh %s %s kube-apiserver >/dev/null 2>&1", verb,
                                            getenv("ATELIER_TEST_CLUSTER"));
    if (system(command) != 0)
        fail_msg("%s", command);
}

/* --- what is known ------------------------------------------------------------------------------------------------ */

static bool holds(const char *name)
{
    AUTO_JSON cJSON *object = cache_get(house.cache, "reflector", name);
    return object != NULL;
}

static size_t count(void)
{
    struct cache_size size;
    cache_measure(house.cache, &size);
    return size.objects;
}

static struct reflector_counts counts(void)
{
    struct reflector_counts counts;
    reflector_counts(house.reflector, &counts);
    return counts;
}

#define EVENTUALLY(question_)                                                                                          \
    do {                                                                                                               \
        int64_t until_ = clock_monotonic_ms() + PATIENCE_MS;                                                           \
        while (!(question_) && clock_monotonic_ms() < until_)                                                          \
            clock_sleep_ms(20);                                                                                        \
        assert_true(question_);                                                                                        \
    } while (0)

static void start_reflector(const struct reflector_times *times)
{
    house.reflector = reflector_new(&(struct reflector_options){.client = house.client,
                                                                .cache = house.cache,
                                                                .kind = KIND_CONFIGMAP,
                                                                .label_selector = LABEL,
                                                                .times = times,
                                                                .page = PAGE});
}

/* --- each test begins with OBJECTS of them known, and a working way to the API server ------------------------------
 */

static void open_clients(void)
{
    struct kube_config config = {0};
    struct error error = {0};
    int64_t port = 0;
    if (kube_config_load(getenv("ATELIER_TEST_KUBECONFIG"), "", &config, &error) < 0)
        fail_msg("%s", error.message);
    config.uncompressed = true; /* a page has to be larger than what a broken connection lets through */
    assert_int_equal(kube_client_new(&config, &house.direct, &error), 0);
    assert_true(text_parse_i64(slice_of(strrchr(config.server, ':') + 1), 1, UINT16_MAX, &port));
    assert_true(proxy_start(&house.proxy, (uint16_t)port));
    free(config.server);
    config.server = memory_format("https://127.0.0.1:%u", house.proxy.port);
    assert_int_equal(kube_client_new(&config, &house.client, &error), 0);
    kube_config_free(&config);
}

static int set_up(void **state)
{
    (void)state;
    char name[16];
    open_clients();
    (void)ask("POST", "/api/v1/namespaces",
              "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"reflector\"}}");
    (void)ask("DELETE", MAPS "?labelSelector=" LABEL, NULL);
    for (int i = 0; i < OBJECTS; i++) {
        snprintf(name, sizeof(name), "m%d", i);
        assert_int_equal(create(name), 0);
    }
    house.names = names_new();
    house.packer = packer_new();
    house.trees = trees_new(house.names);
    house.hub = hub_new(&trees_states, house.trees);
    house.cache = cache_new(&(struct cache_options){
        .kind = KIND_CONFIGMAP, .names = house.names, .packer = house.packer, .hub = house.hub, .trees = house.trees});
    start_reflector(&short_times);
    EVENTUALLY(count() == OBJECTS);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    reflector_free(house.reflector);
    kube_client_free(house.client);
    kube_client_free(house.direct);
    hub_free(house.hub);
    trees_free(house.trees);
    cache_free(house.cache);
    packer_free(house.packer);
    names_free(house.names);
    proxy_stop(&house.proxy);
    return 0;
}

/* --- faults ------------------------------------------------------------------------------------------------------- */

static void a_frozen_connection_is_left_for_another(void **state)
{
    (void)state;
    EVENTUALLY(counts().watches >= 1);
    assert_int_equal(create("heard"), 0);
    EVENTUALLY(holds("heard")); /* the watch is under way */
    uint64_t watches = counts().watches;
    assert_true(proxy_freeze(&house.proxy) >= 1);
    assert_int_equal(create("unheard"), 0);
    EVENTUALLY(proxy_swallowed(&house.proxy) > 0); /* the fault works */
    EVENTUALLY(holds("unheard"));
    assert_true(counts().watches > watches);
    assert_int_equal(counts().lists, 1); /* a watch took over where the frozen one was */
}

static void a_forgotten_version_is_listed_anew(void **state)
{
    (void)state;
    EVENTUALLY(counts().watches >= 1);
    proxy_break(&house.proxy, true, 0);
    destroy("m3");
    assert_int_equal(create("new"), 0);
    /* Its memory of changes begins anew with the API server: the version of the watch is from before. */
    cluster("kill");
    assert_true(holds("m3"));
    cluster("start");
    EVENTUALLY(answers());
    assert_true(holds("m3"));
    proxy_break(&house.proxy, false, 0);
    EVENTUALLY(holds("new") && !holds("m3"));
    assert_int_equal(count(), OBJECTS);
    assert_true(counts().lists >= 2);
}

static void a_list_that_breaks_off_takes_nothing_away(void **state)
{
    (void)state;
    reflector_free(house.reflector);
    destroy("m3");
    proxy_break(&house.proxy, false, CUT_BYTES);
    start_reflector(&short_times);
    EVENTUALLY(counts().failures >= 3);
    assert_true(reflector_failing_since(house.reflector) > 0);
    assert_int_equal(count(), OBJECTS);
    assert_true(holds("m3"));
    proxy_break(&house.proxy, false, 0);
    EVENTUALLY(!holds("m3"));
    assert_int_equal(count(), OBJECTS - 1);
    EVENTUALLY(reflector_failing_since(house.reflector) == 0);
}

/* --- how it is asked ---------------------------------------------------------------------------------------------- */

/* Where only metadata is kept it comes as protobuf, in pages, and says what JSON says: else each object would look as
 * if somebody had changed it as soon as a watch tells of it. */
static void metadata_says_the_same_in_protobuf(void **state)
{
    (void)state;
    static const char applied[] =
        "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"applied\",\"labels\":{"
        "\"test\":\"reflector\",\"app.kubernetes.io/managed-by\":\"atelier\"},\"annotations\":{"
        "\"atelier.dev/applied\":\"00112233aabbccdd\"}},\"data\":{\"a\":\"<b> & c\"}}";
    const struct kube_request apply = {.method = "PATCH",
                                       .target = MAPS "/applied?fieldManager=atelier&force=true",
                                       .content_type = "application/apply-patch+yaml",
                                       .body = slice_of(applied)};
    struct error error = {0};
    struct reflector_counts told;
    size_t count, others;
    uint64_t version;
    assert_int_equal(kube_call(house.direct, &apply, NULL, &error), 0);
    EVENTUALLY(holds("applied"));
    struct cache *cache = cache_new(&(struct cache_options){.kind = KIND_CONFIGMAP,
                                                            .metadata_only = true,
                                                            .names = house.names,
                                                            .packer = house.packer,
                                                            .hub = house.hub,
                                                            .trees = house.trees});
    struct reflector *reflector = reflector_new(&(struct reflector_options){.client = house.client,
                                                                            .cache = cache,
                                                                            .kind = KIND_CONFIGMAP,
                                                                            .metadata_only = true,
                                                                            .label_selector = LABEL,
                                                                            .times = &short_times,
                                                                            .page = PAGE});
    EVENTUALLY(cache_synced(cache));
    reflector_counts(reflector, &told);
    assert_true(told.compact >= 1);
    struct record **whole = cache_select(house.cache, "reflector", &count, &version);
    struct record **metadata = cache_select(cache, "reflector", &others, &version);
    assert_int_equal(others, count);
    for (size_t i = 0; i < count; i++) {
        assert_true(slice_equal(record_name(metadata[i]), record_name(whole[i])));
        assert_memory_equal(metadata[i]->uid, whole[i]->uid, UID_SIZE);
        assert_int_equal(metadata[i]->version, whole[i]->version);
        assert_int_equal(metadata[i]->applied, whole[i]->applied);
        assert_int_equal(metadata[i]->ours, whole[i]->ours);
        assert_int_equal(metadata[i]->flags & RECORD_OURS, whole[i]->flags & RECORD_OURS);
        bool is_applied = slice_is(record_name(metadata[i]), "applied");
        assert_int_equal(metadata[i]->ours != 0, is_applied);
        assert_int_equal(metadata[i]->text_bytes, 0);
        record_unref(whole[i]);
        record_unref(metadata[i]);
    }
    free(whole);
    free(metadata);
    const struct kube_request bad = {
        .method = "GET", .target = MAPS "?labelSelector=%28", .accept = METADATA_LIST_TYPE};
    assert_int_equal(kube_call(house.direct, &bad, NULL, &error), -ERROR_BAD_REQUEST);
    assert_non_null(strstr(error.message, "found '('")); /* whoever asks for protobuf is refused in it */
    assert_null(strstr(error.message, "k8s"));
    reflector_free(reflector);
    cache_free(cache);
    destroy("applied");
}

/* What is passed over by the selector brings no event: only a bookmark tells that the watch is as far as that, so that
 * the next one need not begin before it (and need not list anew once it is forgotten). */
static void a_bookmark_says_how_far_a_quiet_watch_is(void **state)
{
    (void)state;
    AUTO_JSON cJSON *stranger = NULL;
    struct error error = {0};
    int64_t version = 0;
    reflector_free(house.reflector);
    start_reflector(&brief_times);
    EVENTUALLY(counts().watches >= 1);
    (void)ask("DELETE", MAPS "/stranger", NULL);
    const struct kube_request make = {
        .method = "POST",
        .target = MAPS,
        .content_type = "application/json",
        .body = slice_of("{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"stranger\"}}")};
    assert_int_equal(kube_call(house.direct, &make, &stranger, &error), 0);
    assert_true(text_parse_i64(slice_of(json_text_or("", stranger, "metadata", "resourceVersion", NULL)), 1, INT64_MAX,
                               &version));
    EVENTUALLY(cache_version(house.cache) >= (uint64_t)version);
    assert_false(holds("stranger"));
    assert_int_equal(counts().lists, 1);
}

struct crowd {
    pthread_mutex_t lock; /* guards what follows */
    unsigned begun, ended;
};

static void crowd_begin(void *context, int status, const char *content_type, int retry_after_s)
{
    struct crowd *crowd = context;
    (void)content_type;
    (void)retry_after_s;
    pthread_mutex_lock(&crowd->lock);
    crowd->begun += status == 200;
    pthread_mutex_unlock(&crowd->lock);
}

static bool crowd_data(void *context, struct slice bytes)
{
    (void)context;
    (void)bytes;
    return true;
}

static void crowd_end(void *context, int result, const struct error *error)
{
    struct crowd *crowd = context;
    (void)result;
    (void)error;
    pthread_mutex_lock(&crowd->lock);
    crowd->ended++;
    pthread_mutex_unlock(&crowd->lock);
}

static unsigned crowd_count(struct crowd *crowd, const unsigned *which)
{
    pthread_mutex_lock(&crowd->lock);
    unsigned count = *which;
    pthread_mutex_unlock(&crowd->lock);
    return count;
}

/* HTTP/2: with HTTP/1.1 each watch has a connection of its own, and its own TLS. */
static void one_connection_carries_all_watches(void **state)
{
    (void)state;
    struct crowd crowd = {.lock = PTHREAD_MUTEX_INITIALIZER};
    const struct kube_sink sink = {.begin = crowd_begin, .data = crowd_data, .end = crowd_end, .context = &crowd};
    const struct kube_request watch = {.method = "GET", .target = MAPS "?watch=1", .deadline_ms = -1};
    struct kube_stream *streams[STREAMS];
    for (size_t i = 0; i < STREAMS; i++)
        assert_int_equal(kube_stream_start(house.client, &watch, &sink, &streams[i], NULL), 0);
    EVENTUALLY(crowd_count(&crowd, &crowd.begun) == STREAMS);
    pthread_mutex_lock(&house.proxy.lock);
    unsigned connections = house.proxy.accepted;
    pthread_mutex_unlock(&house.proxy.lock);
    assert_true(connections <= 2);
    assert_int_equal(crowd_count(&crowd, &crowd.ended), 0);
    for (size_t i = 0; i < STREAMS; i++)
        kube_stream_cancel(streams[i]);
    EVENTUALLY(crowd_count(&crowd, &crowd.ended) == STREAMS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_frozen_connection_is_left_for_another, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_forgotten_version_is_listed_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_list_that_breaks_off_takes_nothing_away, set_up, tear_down),
        cmocka_unit_test_setup_teardown(metadata_says_the_same_in_protobuf, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_bookmark_says_how_far_a_quiet_watch_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_connection_carries_all_watches, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
