/* Does the local engine keep objects and run pods as engine.h promises? Real PostgreSQL, a sandboxd in memory. */
#include "tests/integration/engine_bench.h"

#include <sched.h>

#include "base/random.h"
#include "engine/local/local_internal.h"

#define POD_TEMPLATE                                                                                                   \
    "  template:\n"                                                                                                    \
    "    metadata: {labels: {app: nb}}\n"                                                                              \
    "    spec:\n"                                                                                                      \
    "      containers:\n"                                                                                              \
    "      - name: main\n"                                                                                             \
    "        image: rayproject/ray:2.60.0-py311\n"                                                                     \
    "        command: [sleep, '1000']\n"                                                                               \
    "        resources: {limits: {cpu: 500m, memory: 256Mi}}\n"
#define STATEFULSET "metadata: {name: nb}\nspec:\n  replicas: 1\n  serviceName: nb\n" POD_TEMPLATE

/* --- objects ------------------------------------------------------------------------------------------------------ */

static void test_object_life(void **state)
{
    struct bench *bench = *state;
    struct error error = {0};
    make_alice(bench);
    AUTO_JSON cJSON *made = NULL;
    assert_int_equal(create(bench, KIND_CONFIGMAP, "alice", "{metadata: {name: c}, data: {a: '1'}}", &made, &error), 0);
    assert_string_equal(json_text(made, "apiVersion", NULL), "v1");
    assert_string_equal(json_text(made, "kind", NULL), "ConfigMap");
    assert_int_equal(strlen(json_text(made, "metadata", "uid", NULL)), 36);
    assert_non_null(json_text(made, "metadata", "creationTimestamp", NULL));
    assert_int_equal(create(bench, KIND_CONFIGMAP, "alice", "{metadata: {name: c}}", NULL, &error), -ERROR_EXISTS);
    assert_int_equal(create(bench, KIND_CONFIGMAP, "bob", "{metadata: {name: c}}", NULL, &error), -ERROR_NOT_FOUND);

    /* No change, no write. */
    AUTO_JSON cJSON *same = NULL;
    assert_int_equal(engine_update(bench->engine, KIND_CONFIGMAP, "alice", "c", ENGINE_SPEC, made, &same, &error), 0);
    assert_true(json_equal(made, same));

    /* A change moves the version; the old version then conflicts. */
    AUTO_JSON cJSON *patch = from_yaml("{data: {b: '2'}}");
    AUTO_JSON cJSON *patched = NULL;
    assert_int_equal(engine_patch(bench->engine, KIND_CONFIGMAP, "alice", "c", ENGINE_SPEC, ENGINE_PATCH_MERGE, patch,
                                  &patched, &error),
                     0);
    assert_string_equal(json_text(patched, "data", "a", NULL), "1");
    assert_string_equal(json_text(patched, "data", "b", NULL), "2");
    json_set_text(json_object_in(made, "data"), "a", "9");
    assert_int_equal(engine_update(bench->engine, KIND_CONFIGMAP, "alice", "c", ENGINE_SPEC, made, NULL, &error),
                     -ERROR_CONFLICT);

    AUTO_JSON cJSON *operations = from_yaml("[{op: test, path: /data/b, value: '2'}, {op: remove, path: /data/b}]");
    cJSON_Delete(TAKE_POINTER(patched));
    assert_int_equal(engine_patch(bench->engine, KIND_CONFIGMAP, "alice", "c", ENGINE_SPEC, ENGINE_PATCH_JSON,
                                  operations, &patched, &error),
                     0);
    assert_null(json_text(patched, "data", "b", NULL));
    assert_int_equal(engine_patch(bench->engine, KIND_CONFIGMAP, "alice", "c", ENGINE_SPEC, ENGINE_PATCH_JSON,
                                  operations, NULL, &error),
                     -ERROR_INVALID);
    assert_int_equal(engine_delete(bench->engine, KIND_CONFIGMAP, "alice", "c", NULL, &error), 0);
    assert_int_equal(engine_delete(bench->engine, KIND_CONFIGMAP, "alice", "c", NULL, &error), -ERROR_NOT_FOUND);
    assert_string_equal(error.message, "configmaps \"c\" not found");
}

static void test_status_is_apart(void **state)
{
    struct bench *bench = *state;
    make_alice(bench);
    must_create(bench, KIND_NOTEBOOK, "alice", "{metadata: {name: n}, spec: {a: 1}, status: {forged: true}}");
    AUTO_JSON cJSON *first = get(bench, KIND_NOTEBOOK, "alice", "n");
    assert_null(json_member(first, "status"));
    AUTO_JSON cJSON *wanted = from_yaml("{spec: {a: 2}, status: {phase: Running}}");
    AUTO_JSON cJSON *now = NULL;
    assert_int_equal(
        engine_patch(bench->engine, KIND_NOTEBOOK, "alice", "n", ENGINE_STATUS, ENGINE_PATCH_MERGE, wanted, &now, NULL),
        0);
    int64_t number = 0;
    assert_string_equal(json_text(now, "status", "phase", NULL), "Running");
    assert_true(json_i64(json_at(now, "spec", "a", NULL), &number) && number == 1);
    assert_true(json_i64(json_at(now, "metadata", "generation", NULL), &number) && number == 1);
    cJSON_Delete(TAKE_POINTER(now));
    AUTO_JSON cJSON *forged = from_yaml("{spec: {a: 2}, status: {phase: Failed}, metadata: {uid: null}}");
    assert_int_equal(
        engine_patch(bench->engine, KIND_NOTEBOOK, "alice", "n", ENGINE_SPEC, ENGINE_PATCH_MERGE, forged, &now, NULL),
        0);
    assert_string_equal(json_text(now, "status", "phase", NULL), "Running");
    assert_true(json_i64(json_at(now, "spec", "a", NULL), &number) && number == 2);
    assert_true(json_i64(json_at(now, "metadata", "generation", NULL), &number) && number == 2);
    assert_string_equal(json_text(now, "metadata", "uid", NULL), json_text(first, "metadata", "uid", NULL));
}

static int put_label(void *context, const cJSON *current, cJSON **ret, struct error *error)
{
    (void)error;
    *ret = json_copy(current);
    json_set_text(json_object_in(json_object_in(*ret, "metadata"), "labels"), "by", context);
    return 0;
}

/* A controller's change of what it saw must not reach the object that has the name now. */
static void test_another_of_that_name(void **state)
{
    struct bench *bench = *state;
    struct error error = {0};
    make_alice(bench);
    struct objects *objects = local_of(bench->engine)->objects;
    must_create(bench, KIND_CONFIGMAP, "alice", "{metadata: {name: c}}");
    AUTO_OBJECT struct object *seen = objects_find(objects, KIND_CONFIGMAP, "alice", "c");
    char by[] = "controller";
    assert_int_equal(objects_change_seen(objects, seen, ENGINE_SPEC, put_label, by, NULL, &error), 0);

    assert_int_equal(engine_delete(bench->engine, KIND_CONFIGMAP, "alice", "c", NULL, &error), 0);
    assert_int_equal(objects_change_seen(objects, seen, ENGINE_SPEC, put_label, by, NULL, &error), -ERROR_NOT_FOUND);
    must_create(bench, KIND_CONFIGMAP, "alice", "{metadata: {name: c}}");
    assert_int_equal(objects_change_seen(objects, seen, ENGINE_SPEC, put_label, by, NULL, &error), -ERROR_CONFLICT);
    assert_string_equal(error.field, "metadata.uid");
    assert_int_equal(objects_set_status(objects, seen, from_yaml("{phase: Done}"), &error), -ERROR_CONFLICT);
    AUTO_JSON cJSON *now = get(bench, KIND_CONFIGMAP, "alice", "c");
    assert_null(json_at(now, "metadata", "labels", NULL));
    assert_null(json_member(now, "status"));
}

static void test_finalizers_and_owners(void **state)
{
    struct bench *bench = *state;
    make_alice(bench);
    must_create(bench, KIND_NOTEBOOK, "alice", "{metadata: {name: owner, finalizers: [x.example/y]}}");
    AUTO_JSON cJSON *owner = get(bench, KIND_NOTEBOOK, "alice", "owner");
    AUTO_FREE char *child = memory_format("{metadata: {generateName: child-, ownerReferences: [{apiVersion: "
                                          "kubeflow.org/v1, kind: Notebook, name: owner, uid: %s}]}}",
                                          json_text(owner, "metadata", "uid", NULL));
    must_create(bench, KIND_SECRET, "alice", child);
    assert_int_equal(count(bench, KIND_SECRET, "alice"), 1);
    assert_int_equal(engine_delete(bench->engine, KIND_NOTEBOOK, "alice", "owner", NULL, NULL), 0);
    AUTO_JSON cJSON *marked = get(bench, KIND_NOTEBOOK, "alice", "owner");
    assert_non_null(json_text(marked, "metadata", "deletionTimestamp", NULL));
    assert_int_equal(count(bench, KIND_SECRET, "alice"), 1);
    AUTO_JSON cJSON *add = from_yaml("{metadata: {finalizers: [x.example/y, x.example/z]}}");
    assert_int_equal(
        engine_patch(bench->engine, KIND_NOTEBOOK, "alice", "owner", ENGINE_SPEC, ENGINE_PATCH_MERGE, add, NULL, NULL),
        -ERROR_INVALID);
    AUTO_JSON cJSON *release = from_yaml("{metadata: {finalizers: null}}");
    assert_int_equal(engine_patch(bench->engine, KIND_NOTEBOOK, "alice", "owner", ENGINE_SPEC, ENGINE_PATCH_MERGE,
                                  release, NULL, NULL),
                     0);
    assert_null(get(bench, KIND_NOTEBOOK, "alice", "owner"));
    WAIT(count(bench, KIND_SECRET, "alice") == 0);
}

static void test_lists(void **state)
{
    struct bench *bench = *state;
    make_alice(bench);
    must_create(bench, KIND_NAMESPACE, NULL, "{metadata: {name: bob}}");
    static const char *const names[] = {"c", "a", "e", "b", "d"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        AUTO_FREE char *yaml =
            memory_format("{metadata: {name: %s, labels: {n: %s, odd: '%zu'}}}", names[i], names[i], i % 2);
        must_create(bench, KIND_CONFIGMAP, "alice", yaml);
    }
    must_create(bench, KIND_CONFIGMAP, "bob", "{metadata: {name: other}}");
    assert_int_equal(count(bench, KIND_CONFIGMAP, NULL), 6);
    struct engine_list_options options = {.limit = 2};
    AUTO_BUFFER struct buffer seen = {0};
    AUTO_FREE char *token = NULL;
    for (int page = 0; page < 3; page++) {
        AUTO_JSON cJSON *list = NULL;
        options.continue_token = token;
        assert_int_equal(engine_list(bench->engine, KIND_CONFIGMAP, "alice", &options, &list, NULL), 0);
        assert_string_equal(json_text(list, "kind", NULL), "ConfigMapList");
        const cJSON *item;
        cJSON_ArrayForEach(item, json_member(list, "items"))
        {
            buffer_add_text(&seen, json_text(item, "metadata", "name", NULL));
        }
        free(token);
        token = memory_text(json_text(list, "metadata", "continue", NULL));
    }
    assert_null(token);
    assert_string_equal(seen.p, "abcde");
    AUTO_JSON cJSON *some = NULL;
    const struct engine_list_options selected = {.label_selector = "n in (a,b,c), odd!=1"};
    assert_int_equal(engine_list(bench->engine, KIND_CONFIGMAP, NULL, &selected, &some, NULL), 0);
    assert_int_equal(cJSON_GetArraySize(json_member(some, "items")), 1);
    const struct engine_list_options bad = {.continue_token = "!!"};
    assert_int_equal(engine_list(bench->engine, KIND_CONFIGMAP, NULL, &bad, &some, NULL), -ERROR_BAD_REQUEST);
}

/* Whoever holds a view goes on seeing what he saw, when the object has changed and when it is gone. */
static void test_view(void **state)
{
    struct bench *bench = *state;
    AUTO_VIEW struct engine_view view = {0};
    make_alice(bench);
    assert_int_equal(engine_view(bench->engine, KIND_CONFIGMAP, "alice", "c", &view, NULL), -ERROR_NOT_FOUND);
    assert_null(view.object);
    must_create(bench, KIND_CONFIGMAP, "alice", "{metadata: {name: c}, data: {k: one}}");
    assert_int_equal(engine_view(bench->engine, KIND_CONFIGMAP, "alice", "c", &view, NULL), 0);
    AUTO_JSON cJSON *patch = from_yaml("{data: {k: two}}");
    assert_int_equal(
        engine_patch(bench->engine, KIND_CONFIGMAP, "alice", "c", ENGINE_SPEC, ENGINE_PATCH_MERGE, patch, NULL, NULL),
        0);
    assert_int_equal(engine_delete(bench->engine, KIND_CONFIGMAP, "alice", "c", NULL, NULL), 0);
    assert_string_equal(json_text(view.object, "data", "k", NULL), "one");
    engine_view_end(&view);
    assert_null(view.object);
}

static void test_limits(void **state)
{
    struct bench *bench = *state;
    struct error error = {0};
    make_alice(bench);
    AUTO_JSON cJSON *large = from_yaml("{metadata: {name: large}}");
    AUTO_FREE char *text = memory_get((1 << 20) + 1);
    memset(text, 'x', 1 << 20);
    json_set_text(json_object_in(large, "data"), "x", text);
    assert_int_equal(engine_create(bench->engine, KIND_CONFIGMAP, "alice", large, NULL, &error), -ERROR_TOO_LARGE);
    for (int i = 0; i < 20; i++) {
        AUTO_FREE char *yaml = memory_format("{metadata: {name: q%d}}", i);
        must_create(bench, KIND_RESOURCEQUOTA, "alice", yaml);
    }
    assert_int_equal(create(bench, KIND_RESOURCEQUOTA, "alice", "{metadata: {name: more}}", NULL, &error),
                     -ERROR_FORBIDDEN);
    assert_int_equal(create(bench, KIND_SECRET, "alice", "{metadata: {name: 'Bad Name'}}", NULL, &error),
                     -ERROR_INVALID);
    assert_string_equal(error.field, "metadata.name");
    assert_int_equal(create(bench, KIND_SECRET, "alice", "{metadata: {name: s, labels: {a: '!'}}}", NULL, &error),
                     -ERROR_INVALID);
    assert_int_equal(create(bench, KIND_SECRET, "alice", "{metadata: {name: s, namespace: bob}}", NULL, &error),
                     -ERROR_BAD_REQUEST);
    assert_int_equal(create(bench, KIND_SECRET, "alice", "{kind: Pod, metadata: {name: s}}", NULL, &error),
                     -ERROR_BAD_REQUEST);
}

/* --- watches ------------------------------------------------------------------------------------------------------ */

struct heard {
    pthread_mutex_t lock;
    struct buffer text; /* "A:name M:name …" */
    char version[32];
};

static void hear(void *context, enum engine_event event, const cJSON *object)
{
    struct heard *heard = context;
    static const char letters[] = "AMDBL";
    pthread_mutex_lock(&heard->lock);
    buffer_add_format(&heard->text, "%c:%s ", letters[event], json_text_or("", object, "metadata", "name", NULL));
    if (object)
        (void)snprintf(heard->version, sizeof(heard->version), "%s",
                       json_text_or("", object, "metadata", "resourceVersion", NULL));
    pthread_mutex_unlock(&heard->lock);
}

static bool heard_is(struct heard *heard, const char *text)
{
    pthread_mutex_lock(&heard->lock);
    bool same = heard->text.p && strcmp(heard->text.p, text) == 0;
    pthread_mutex_unlock(&heard->lock);
    return same;
}

static void label(struct bench *bench, const char *name, const char *value)
{
    AUTO_JSON cJSON *patch = from_yaml("{metadata: {labels: {}}}");
    json_set_text(json_at(patch, "metadata", "labels", NULL), "team", value);
    assert_int_equal(
        engine_patch(bench->engine, KIND_CONFIGMAP, "alice", name, ENGINE_SPEC, ENGINE_PATCH_MERGE, patch, NULL, NULL),
        0);
}

static void test_watch(void **state)
{
    struct bench *bench = *state;
    struct heard all = {.lock = PTHREAD_MUTEX_INITIALIZER}, red = {.lock = PTHREAD_MUTEX_INITIALIZER},
                 later = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct engine_watch *watch_all = NULL, *watch_red = NULL, *watch_later = NULL;
    struct error error = {0};
    make_alice(bench);
    must_create(bench, KIND_CONFIGMAP, "alice", "{metadata: {name: a}}");
    const struct engine_list_options only_red = {.label_selector = "team=red"};
    assert_int_equal(engine_watch(bench->engine, KIND_CONFIGMAP, "alice", NULL, NULL, hear, &all, &watch_all, &error),
                     0);
    assert_int_equal(engine_watch(bench->engine, KIND_CONFIGMAP, NULL, &only_red, "", hear, &red, &watch_red, &error),
                     0);
    WAIT(heard_is(&all, "A:a B: "));
    char resume[32];
    (void)snprintf(resume, sizeof(resume), "%s", all.version);
    must_create(bench, KIND_CONFIGMAP, "alice", "{metadata: {name: b, labels: {team: blue}}}");
    label(bench, "b", "red");
    label(bench, "b", "green");
    assert_int_equal(engine_delete(bench->engine, KIND_CONFIGMAP, "alice", "b", NULL, NULL), 0);
    WAIT(heard_is(&all, "A:a B: A:b M:b M:b D:b "));
    WAIT(heard_is(&red, "B: A:b D:b "));
    assert_int_equal(
        engine_watch(bench->engine, KIND_CONFIGMAP, "alice", NULL, resume, hear, &later, &watch_later, &error), 0);
    WAIT(heard_is(&later, "A:b M:b M:b D:b "));
    engine_unwatch(watch_all);
    engine_unwatch(watch_red);
    engine_unwatch(watch_later);
    restart_engine(bench); /* which remembers nothing of what was before */
    assert_int_equal(
        engine_watch(bench->engine, KIND_CONFIGMAP, "alice", NULL, resume, hear, &later, &watch_later, &error),
        -ERROR_GONE);
    buffer_free(&all.text);
    buffer_free(&red.text);
    buffer_free(&later.text);
}

/* --- the database away -------------------------------------------------------------------------------------------- */

static void test_database_away(void **state)
{
    struct bench *bench = *state;
    struct error error = {0};
    make_alice(bench);
    must_create(bench, KIND_SECRET, "alice", "{metadata: {name: kept}, stringData: {k: v}}");
    must_create(bench, KIND_POD, "alice",
                "metadata: {name: once}\nspec:\n  restartPolicy: Never\n  containers:\n  - name: main\n"
                "    image: ray-2.60\n    command: ['true']\n");
    WAIT(is(bench, KIND_POD, "alice", "once", "phase", "Running"));
    postgres_kill();
    fake_exit("alice", "once", 0, "Completed"); /* which cannot be written down now */
    int r = create(bench, KIND_SECRET, "alice", "{metadata: {name: lost}}", NULL, &error);
    assert_int_equal(r, -ERROR_UNAVAILABLE);
    AUTO_JSON cJSON *kept = get(bench, KIND_SECRET, "alice", "kept");
    assert_string_equal(json_text(kept, "data", "k", NULL), "dg==");
    assert_false(engine_ready(bench->engine, &error));
    clock_sleep_ms(2500); /* backoffs have grown */
    assert_true(is(bench, KIND_POD, "alice", "once", "phase", "Running"));
    postgres_start();
    WAIT(is(bench, KIND_POD, "alice", "once", "phase", "Succeeded"));
    WAIT(create(bench, KIND_SECRET, "alice", "{metadata: {name: after}}", NULL, NULL) != -ERROR_UNAVAILABLE);
    restart_engine(bench);
    AUTO_JSON cJSON *again = get(bench, KIND_SECRET, "alice", "kept");
    assert_true(json_equal(kept, again));
    AUTO_JSON cJSON *after = get(bench, KIND_SECRET, "alice", "after");
    assert_non_null(after);
}

static void *create_late(void *context)
{
    struct bench *bench = context;
    (void)create(bench, KIND_SECRET, "alice", "{metadata: {name: late}}", NULL, NULL);
    return NULL;
}

/* A server that stands still runs the statement after everybody has given up on it: memory must learn of it. */
static void test_unanswered_commit(void **state)
{
    struct bench *bench = *state;
    pthread_t thread;
    make_alice(bench);
    clock_sleep_ms(300);
    /* The connection that was used last is used next, and has the statement prepared: only the statement itself is
     * sent. */
    must_create(bench, KIND_SECRET, "alice", "{metadata: {name: early}}");
    postgres_pause();
    pthread_create(&thread, NULL, create_late, bench);
    pthread_join(thread, NULL);
    AUTO_JSON cJSON *unseen = get(bench, KIND_SECRET, "alice", "late");
    assert_null(unseen);
    postgres_resume();
    WAIT(count(bench, KIND_SECRET, "alice") == 2);
    AUTO_JSON cJSON *label = from_yaml("{metadata: {labels: {a: b}}}");
    WAIT(engine_patch(bench->engine, KIND_SECRET, "alice", "late", ENGINE_SPEC, ENGINE_PATCH_MERGE, label, NULL,
                      NULL) == 0);
    AUTO_JSON cJSON *seen = get(bench, KIND_SECRET, "alice", "late");
    restart_engine(bench);
    AUTO_JSON cJSON *kept = get(bench, KIND_SECRET, "alice", "late");
    assert_true(json_equal(seen, kept));
}

/* --- workloads ---------------------------------------------------------------------------------------------------- */

static bool nb_ready(struct bench *bench)
{
    return status_number(bench, KIND_STATEFULSET, "nb", "readyReplicas") == 1;
}

static void test_statefulset(void **state)
{
    struct bench *bench = *state;
    make_alice(bench);
    must_create(
        bench, KIND_SERVICE, "alice",
        "{metadata: {name: nb}, spec: {selector: {app: nb}, ports: [{name: http, port: 80, targetPort: 8888}]}}");
    must_create(bench, KIND_STATEFULSET, "alice", STATEFULSET);
    wait_until(bench, nb_ready, "the set is ready");
    AUTO_JSON cJSON *pod = get(bench, KIND_POD, "alice", "nb-0");
    assert_string_equal(json_text(pod, "status", "phase", NULL), "Running");
    assert_true(condition_is(bench, KIND_POD, "nb-0", "Ready", "True"));

    /* Its service leads to it, for people and for its neighbours. */
    AUTO_CLOSE int fd = -1;
    struct error error = {0};
    assert_int_equal(engine_dial(bench->engine, "alice", "nb", "http", &fd, &error), 0);
    int other = -1;
    assert_int_equal(engine_dial(bench->engine, "alice", "nb", "8888", &other, &error), -ERROR_NOT_FOUND);
    AUTO_CLOSE int log = -1;
    bool live = false;
    assert_int_equal(engine_log_open(bench->engine, "alice", "nb-0", NULL, &log, &live, &error), 0);
    assert_true(live);
    WAIT(({
        pthread_mutex_lock(&fake.lock);
        AUTO_FREE char *hosts = json_print(json_member(fake.hosts, "alice"));
        pthread_mutex_unlock(&fake.lock);
        strstr(hosts, "\"nb.alice.svc.cluster.local\"") != NULL;
    }));

    /* Another template is another pod. */
    AUTO_JSON cJSON *resize =
        from_yaml("[{op: replace, path: /spec/template/spec/containers/0/resources/limits/cpu, value: '1'}]");
    assert_int_equal(engine_patch(bench->engine, KIND_STATEFULSET, "alice", "nb", ENGINE_SPEC, ENGINE_PATCH_JSON,
                                  resize, NULL, NULL),
                     0);
    WAIT(({
        AUTO_JSON cJSON *now = get(bench, KIND_POD, "alice", "nb-0");
        now &&strcmp(json_text(now, "metadata", "uid", NULL), json_text(pod, "metadata", "uid", NULL)) != 0;
    }));
    wait_until(bench, nb_ready, "the set is ready again");

    /* None is none; and all of it goes with the set. */
    AUTO_JSON cJSON *stop = from_yaml("{spec: {replicas: 0}}");
    assert_int_equal(
        engine_patch(bench->engine, KIND_STATEFULSET, "alice", "nb", ENGINE_SPEC, ENGINE_PATCH_MERGE, stop, NULL, NULL),
        0);
    WAIT(count(bench, KIND_POD, "alice") == 0 && fake_pod_count() == 0);
    AUTO_JSON cJSON *start = from_yaml("{spec: {replicas: 1}}");
    assert_int_equal(engine_patch(bench->engine, KIND_STATEFULSET, "alice", "nb", ENGINE_SPEC, ENGINE_PATCH_MERGE,
                                  start, NULL, NULL),
                     0);
    wait_until(bench, nb_ready, "the set is started again");
    assert_int_equal(engine_delete(bench->engine, KIND_STATEFULSET, "alice", "nb", NULL, NULL), 0);
    WAIT(count(bench, KIND_POD, "alice") == 0 && fake_pod_count() == 0);
}

/* At steady state nothing is written; a new process adopts what runs; a machine that restarted starts it again. */
static void test_adoption(void **state)
{
    struct bench *bench = *state;
    make_alice(bench);
    must_create(bench, KIND_STATEFULSET, "alice", STATEFULSET);
    wait_until(bench, nb_ready, "the set is ready");
    clock_sleep_ms(400);
    AUTO_JSON cJSON *before = get(bench, KIND_POD, "alice", "nb-0");
    unsigned starts = fake.starts;
    restart_engine(bench);
    clock_sleep_ms(400);
    AUTO_JSON cJSON *after = get(bench, KIND_POD, "alice", "nb-0");
    assert_true(json_equal(before, after));
    assert_int_equal(fake.starts, starts);
    fake_restart();
    WAIT(fake.starts == starts + 1);
    wait_until(bench, nb_ready, "the set is ready again");

    /* What nobody asks for is removed. */
    AUTO_JSON cJSON *spec = from_yaml("{uid: stranger, containers: [{name: x}]}");
    AUTO_JSON cJSON *record = NULL;
    assert_int_equal(sandbox_pod_start(NULL, "alice", "stranger", spec, &record, NULL), 0);
    restart_engine(bench);
    WAIT(fake_pod_count() == 1);
}

static void test_sandboxd_away(void **state)
{
    struct bench *bench = *state;
    make_alice(bench);
    fake.away = true;
    must_create(bench, KIND_STATEFULSET, "alice", STATEFULSET);
    clock_sleep_ms(300);
    assert_int_equal(fake.starts, 0);
    fake.away = false;
    fake_tell(NULL, NULL);
    wait_until(bench, nb_ready, "the set is ready once sandboxd is back");
}

static void test_pod_ends(void **state)
{
    struct bench *bench = *state;
    make_alice(bench);
    must_create(bench, KIND_POD, "alice",
                "metadata: {name: once}\nspec:\n  restartPolicy: Never\n  containers:\n  - name: main\n"
                "    image: ray-2.60\n    command: ['true']\n");
    WAIT(is(bench, KIND_POD, "alice", "once", "phase", "Running"));
    fake_exit("alice", "once", 137, "OOMKilled");
    WAIT(is(bench, KIND_POD, "alice", "once", "phase", "Failed"));
    WAIT(({
        const struct engine_list_options options = {.field_selector = "involvedObject.name=once,reason=OOMKilled"};
        AUTO_JSON cJSON *events = NULL;
        engine_list(bench->engine, KIND_EVENT, "alice", &options, &events, NULL);
        cJSON_GetArraySize(json_member(events, "items")) == 1;
    }));
    AUTO_JSON cJSON *change = from_yaml("{spec: {restartPolicy: Always}}");
    assert_int_equal(
        engine_patch(bench->engine, KIND_POD, "alice", "once", ENGINE_SPEC, ENGINE_PATCH_MERGE, change, NULL, NULL),
        -ERROR_INVALID);
    assert_int_equal(engine_delete(bench->engine, KIND_POD, "alice", "once", NULL, NULL), 0);
    WAIT(count(bench, KIND_POD, "alice") == 0 && fake_pod_count() == 0);
}

/* sandboxd has ended a pod that is to run always: it is started again, though not in a tight loop, and that is counted.
 */
static void test_ended_pod_starts_again(void **state)
{
    struct bench *bench = *state;
    make_alice(bench);
    must_create(bench, KIND_STATEFULSET, "alice", STATEFULSET);
    wait_until(bench, nb_ready, "the set is ready");
    pthread_mutex_lock(&fake.lock);
    json_set_i64(fake_find("alice", "nb-0"), "started_at", clock_wall_ms() - 5000);
    pthread_mutex_unlock(&fake.lock);
    fake_exit("alice", "nb-0", 143, "Error");
    WAIT(status_number(bench, KIND_STATEFULSET, "nb", "readyReplicas") == 0);
    assert_int_equal(fake.starts, 1);
    wait_until(bench, nb_ready, "the set is ready again");
    assert_int_equal(fake.starts, 2);
    AUTO_JSON cJSON *pod = get(bench, KIND_POD, "alice", "nb-0");
    int64_t restarts = 0;
    (void)json_i64(
        json_member(cJSON_GetArrayItem(json_at(pod, "status", "containerStatuses", NULL), 0), "restartCount"),
        &restarts);
    assert_int_equal(restarts, 1);
}

static void test_claim(void **state)
{
    struct bench *bench = *state;
    make_alice(bench);
    must_create(bench, KIND_CLAIM, "alice", "{metadata: {name: home}, spec: {resources: {requests: {storage: 1Gi}}}}");
    WAIT(is(bench, KIND_CLAIM, "alice", "home", "phase", "Bound"));
    AUTO_JSON cJSON *grow = from_yaml("{spec: {resources: {requests: {storage: 2Gi}}}}");
    AUTO_JSON cJSON *shrink = from_yaml("{spec: {resources: {requests: {storage: 1Gi}}}}");
    assert_int_equal(
        engine_patch(bench->engine, KIND_CLAIM, "alice", "home", ENGINE_SPEC, ENGINE_PATCH_MERGE, grow, NULL, NULL), 0);
    WAIT(({
        AUTO_JSON cJSON *claim = get(bench, KIND_CLAIM, "alice", "home");
        strcmp(json_text_or("", claim, "status", "capacity", "storage", NULL), "2Gi") == 0;
    }));
    assert_int_equal(
        engine_patch(bench->engine, KIND_CLAIM, "alice", "home", ENGINE_SPEC, ENGINE_PATCH_MERGE, shrink, NULL, NULL),
        -ERROR_INVALID);

    /* In use: it stays until the pod has gone. */
    must_create(bench, KIND_POD, "alice",
                "metadata: {name: user}\nspec:\n  volumes: [{name: h, persistentVolumeClaim: {claimName: home}}]\n"
                "  containers:\n  - name: main\n    image: ray-2.60\n    command: [sleep]\n"
                "    volumeMounts: [{name: h, mountPath: /home/atelier}]\n");
    WAIT(is(bench, KIND_POD, "alice", "user", "phase", "Running"));
    assert_int_equal(engine_delete(bench->engine, KIND_CLAIM, "alice", "home", NULL, NULL), 0);
    clock_sleep_ms(200);
    assert_int_equal(count(bench, KIND_CLAIM, "alice"), 1);
    assert_int_equal(engine_delete(bench->engine, KIND_POD, "alice", "user", NULL, NULL), 0);
    WAIT(count(bench, KIND_CLAIM, "alice") == 0);
    assert_int_equal(cJSON_GetArraySize(fake.volumes), 0);
}

static void test_missing_secret(void **state)
{
    struct bench *bench = *state;
    make_alice(bench);
    must_create(bench, KIND_POD, "alice",
                "metadata: {name: p}\nspec:\n  containers:\n  - name: main\n    image: ray-2.60\n"
                "    command: [echo, $(WHO)-$$(WHO)]\n"
                "    env:\n    - {name: TOKEN, valueFrom: {secretKeyRef: {name: s, key: t}}}\n"
                "    - {name: WHO, value: me-$(TOKEN)}\n");
    WAIT(({
        AUTO_JSON cJSON *pod = get(bench, KIND_POD, "alice", "p");
        const cJSON *status = cJSON_GetArrayItem(json_at(pod, "status", "containerStatuses", NULL), 0);
        strcmp(json_text_or("", status, "state", "waiting", "reason", NULL), "CreateContainerConfigError") == 0;
    }));
    must_create(bench, KIND_SECRET, "alice", "{metadata: {name: s}, stringData: {t: hush}}");
    WAIT(is(bench, KIND_POD, "alice", "p", "phase", "Running"));
    pthread_mutex_lock(&fake.lock);
    AUTO_JSON cJSON *container =
        json_copy(cJSON_GetArrayItem(json_at(fake_find("alice", "p"), "spec", "containers", NULL), 0));
    pthread_mutex_unlock(&fake.lock);
    assert_string_equal(cJSON_GetArrayItem(json_member(container, "args"), 1)->valuestring, "me-hush-$(WHO)");
    assert_string_equal(json_text(container, "env", "TOKEN", NULL), "hush");
    assert_string_equal(json_text(container, "image", NULL), "ray-2.60");
}

/* --- Ray ---------------------------------------------------------------------------------------------------------- */

#define RAYCLUSTER                                                                                                     \
    "metadata: {name: rc}\n"                                                                                           \
    "spec:\n"                                                                                                          \
    "  rayVersion: 2.60.0\n"                                                                                           \
    "  authOptions: {mode: token, secretName: ray-auth}\n"                                                             \
    "  headGroupSpec:\n"                                                                                               \
    "    rayStartParams: {num-cpus: '0'}\n"                                                                            \
    "    template: {spec: {containers: [{name: ray-head, image: 'rayproject/ray:2.60.0', resources: {limits: {cpu: "   \
    "1, memory: 2Gi}, requests: {cpu: 500m}}}]}}\n"                                                                    \
    "  workerGroupSpecs:\n"                                                                                            \
    "  - groupName: small\n"                                                                                           \
    "    replicas: 2\n    minReplicas: 0\n    maxReplicas: 3\n"                                                        \
    "    rayStartParams: {}\n"                                                                                         \
    "    template: {spec: {containers: [{name: ray-worker, image: 'rayproject/ray:2.60.0', resources: {limits: {cpu: " \
    "1500m, memory: 1Gi}}}]}}\n"

static bool rc_ready(struct bench *bench)
{
    return is(bench, KIND_RAYCLUSTER, "alice", "rc", "state", "ready") &&
           condition_is(bench, KIND_RAYCLUSTER, "rc", "HeadPodReady", "True") &&
           status_number(bench, KIND_RAYCLUSTER, "rc", "readyWorkerReplicas") ==
               status_number(bench, KIND_RAYCLUSTER, "rc", "desiredWorkerReplicas");
}

static void set_replicas(struct bench *bench, const char *value)
{
    AUTO_FREE char *yaml = memory_format("[{op: replace, path: /spec/workerGroupSpecs/0/replicas, value: %s}]", value);
    AUTO_JSON cJSON *patch = from_yaml(yaml);
    assert_int_equal(
        engine_patch(bench->engine, KIND_RAYCLUSTER, "alice", "rc", ENGINE_SPEC, ENGINE_PATCH_JSON, patch, NULL, NULL),
        0);
}

static void test_raycluster(void **state)
{
    struct bench *bench = *state;
    make_alice(bench);
    must_create(bench, KIND_SECRET, "alice", "{metadata: {name: ray-auth}, stringData: {auth_token: abcdef}}");
    fake.silent = true;
    must_create(bench, KIND_RAYCLUSTER, "alice", RAYCLUSTER);
    WAIT(count(bench, KIND_POD, "alice") == 1); /* no worker before there is a GCS to join */
    WAIT(condition_is(bench, KIND_RAYCLUSTER, "rc", "HeadPodReady", "False"));
    clock_sleep_ms(600);
    assert_int_equal(count(bench, KIND_POD, "alice"), 1);
    assert_true(condition_is(bench, KIND_RAYCLUSTER, "rc", "HeadPodReady", "False"));
    fake.silent = false;
    wait_until(bench, rc_ready, "the cluster is ready");
    assert_int_equal(count(bench, KIND_POD, "alice"), 3);
    AUTO_JSON cJSON *service = get(bench, KIND_SERVICE, "alice", "rc-head-svc");
    assert_int_equal(cJSON_GetArraySize(json_at(service, "spec", "ports", NULL)), 6);
    AUTO_JSON cJSON *cluster = get(bench, KIND_RAYCLUSTER, "alice", "rc");
    assert_string_equal(json_text(cluster, "status", "endpoints", "dashboard", NULL), "8265");
    assert_string_equal(json_text(cluster, "status", "desiredCPU", NULL), "3500m");
    assert_string_equal(json_text(cluster, "status", "desiredMemory", NULL), "4Gi");

    set_replicas(bench, "9"); /* clamped */
    WAIT(count(bench, KIND_POD, "alice") == 4);
    set_replicas(bench, "1");
    WAIT(count(bench, KIND_POD, "alice") == 2);
    WAIT(status_number(bench, KIND_RAYCLUSTER, "rc", "desiredWorkerReplicas") == 1 && rc_ready(bench));

    /* Steady state: nothing is written. */
    clock_sleep_ms(500);
    AUTO_JSON cJSON *steady = get(bench, KIND_RAYCLUSTER, "alice", "rc");
    clock_sleep_ms(700);
    AUTO_JSON cJSON *still = get(bench, KIND_RAYCLUSTER, "alice", "rc");
    assert_true(json_equal(steady, still));

    AUTO_JSON cJSON *suspend = from_yaml("{spec: {suspend: true}}");
    assert_int_equal(engine_patch(bench->engine, KIND_RAYCLUSTER, "alice", "rc", ENGINE_SPEC, ENGINE_PATCH_MERGE,
                                  suspend, NULL, NULL),
                     0);
    WAIT(count(bench, KIND_POD, "alice") == 0 && is(bench, KIND_RAYCLUSTER, "alice", "rc", "state", "suspended"));
    AUTO_JSON cJSON *resume = from_yaml("{spec: {suspend: false}}");
    assert_int_equal(engine_patch(bench->engine, KIND_RAYCLUSTER, "alice", "rc", ENGINE_SPEC, ENGINE_PATCH_MERGE,
                                  resume, NULL, NULL),
                     0);
    wait_until(bench, rc_ready, "the cluster is ready after its suspension");
    assert_int_equal(engine_delete(bench->engine, KIND_RAYCLUSTER, "alice", "rc", NULL, NULL), 0);
    WAIT(count(bench, KIND_POD, "alice") == 0 && count(bench, KIND_SERVICE, "alice") == 0 && fake_pod_count() == 0);
    assert_int_equal(count(bench, KIND_SECRET, "alice"), 1); /* the profile's, not the cluster's */
}

static char *head_name(struct bench *bench)
{
    AUTO_JSON cJSON *cluster = get(bench, KIND_RAYCLUSTER, "alice", "rc");
    return memory_text(json_text_or("", cluster, "status", "head", "podName", NULL));
}

static bool replicas_are(struct bench *bench, int64_t wanted)
{
    AUTO_JSON cJSON *cluster = get(bench, KIND_RAYCLUSTER, "alice", "rc");
    int64_t replicas = -1;
    (void)json_i64(json_at(cluster, "status", "readyWorkerReplicas", NULL), &replicas);
    return replicas == wanted;
}

static void make_ready_cluster(struct bench *bench)
{
    make_alice(bench);
    must_create(bench, KIND_SECRET, "alice", "{metadata: {name: ray-auth}, stringData: {auth_token: abcdef}}");
    must_create(bench, KIND_RAYCLUSTER, "alice", RAYCLUSTER);
    wait_until(bench, rc_ready, "the cluster is ready");
}

/* Whoever looks after idle clusters writes into the status while passes are on their way. */
static void test_raycluster_keeps_its_use(void **state)
{
    struct bench *bench = *state;
    make_ready_cluster(bench);
    for (int round = 0; round < 20; round++) {
        AUTO_FREE char *text = memory_format("{status: {lastActivity: '2026-01-01T00:00:%02dZ'}}", round);
        AUTO_JSON cJSON *use = from_yaml(text);
        set_replicas(bench, round % 2 ? "1" : "2");
        for (int i = 0; i < round; i++)
            sched_yield();
        assert_int_equal(engine_patch(bench->engine, KIND_RAYCLUSTER, "alice", "rc", ENGINE_STATUS, ENGINE_PATCH_MERGE,
                                      use, NULL, NULL),
                         0);
        WAIT(replicas_are(bench, round % 2 ? 1 : 2));
        AUTO_JSON cJSON *cluster = get(bench, KIND_RAYCLUSTER, "alice", "rc");
        assert_string_equal(json_text(cluster, "status", "lastActivity", NULL),
                            json_text(use, "status", "lastActivity", NULL));
    }
}

static void test_new_head_new_workers(void **state)
{
    struct bench *bench = *state;
    make_ready_cluster(bench);
    AUTO_FREE char *first = head_name(bench);
    AUTO_JSON cJSON *before = NULL;
    const struct engine_list_options workers = {.label_selector = "ray.io/node-type=worker"};
    assert_int_equal(engine_list(bench->engine, KIND_POD, "alice", &workers, &before, NULL), 0);
    assert_int_equal(engine_delete(bench->engine, KIND_POD, "alice", first, NULL, NULL), 0);
    WAIT(({
        AUTO_FREE char *now = head_name(bench);
        now[0] && strcmp(now, first) != 0;
    }));
    WAIT(({
        bool none = true;
        const cJSON *pod;
        cJSON_ArrayForEach(pod, json_member(before, "items"))
        {
            AUTO_JSON cJSON *old = get(bench, KIND_POD, "alice", json_text(pod, "metadata", "name", NULL));
            none = none && !old;
        }
        none;
    }));
    wait_until(bench, rc_ready, "the cluster is ready again");
    assert_int_equal(count(bench, KIND_POD, "alice"), 3);
}

/* Ray ended inside the head's pod and was started again there: to its workers that is a new head, too. */
static void test_restarted_head_new_workers(void **state)
{
    struct bench *bench = *state;
    make_ready_cluster(bench);
    AUTO_FREE char *head = head_name(bench);
    unsigned starts = fake.starts;
    pthread_mutex_lock(&fake.lock);
    cJSON *container = cJSON_GetArrayItem(json_member(fake_find("alice", head), "containers"), 0);
    json_set_i64(container, "restarts", 1);
    json_set_i64(container, "started_at", clock_wall_ms());
    pthread_mutex_unlock(&fake.lock);
    fake_tell("alice", head);
    WAIT(fake.starts == starts + 2);
    wait_until(bench, rc_ready, "the cluster is ready again");
    AUTO_FREE char *same = head_name(bench);
    assert_string_equal(same, head);
    assert_int_equal(count(bench, KIND_POD, "alice"), 3);
}

/* --- the end of a namespace --------------------------------------------------------------------------------------- */

/* As an admission webhook gives them on a cluster: to pods as they are made, and what contradicts itself makes none. */
static void test_poddefaults(void **state)
{
    struct bench *bench = *state;
    struct error error = {0};
    make_alice(bench);
    must_create(bench, KIND_PODDEFAULT, "alice",
                "{metadata: {name: proxy}, spec: {selector: {matchLabels: {app: x}}, env: [{name: PROXY, value: p}]}}");
    assert_int_equal(create(bench, KIND_PODDEFAULT, "alice",
                            "{metadata: {name: bad}, spec: {selector: {}, hostNetwork: true}}", NULL, &error),
                     -ERROR_INVALID);
    assert_non_null(strstr(error.message, "hostNetwork"));
    must_create(bench, KIND_POD, "alice",
                "{metadata: {name: with, labels: {app: x}}, spec: {containers: [{name: c, image: ray-2.60}]}}");
    must_create(bench, KIND_POD, "alice",
                "{metadata: {name: without, labels: {app: y}}, spec: {containers: [{name: c, image: ray-2.60}]}}");
    AUTO_JSON cJSON *with = get(bench, KIND_POD, "alice", "with");
    AUTO_JSON cJSON *without = get(bench, KIND_POD, "alice", "without");
    const cJSON *env = json_member(json_at(with, "spec", "containers", NULL)->child, "env");
    assert_string_equal(json_text_or("", env ? env->child : NULL, "value", NULL), "p");
    assert_null(json_member(json_at(without, "spec", "containers", NULL)->child, "env"));
    error = (struct error){0};
    assert_int_equal(create(bench, KIND_POD, "alice",
                            "{metadata: {name: other, labels: {app: x}}, spec: {containers: [{name: c, image: "
                            "ray-2.60, env: [{name: PROXY, value: own}]}]}}",
                            NULL, &error),
                     -ERROR_INVALID);
    assert_non_null(strstr(error.message, "PodDefault \"proxy\""));
}

static void test_namespace_removal(void **state)
{
    struct bench *bench = *state;
    struct error error = {0};
    make_alice(bench);
    must_create(bench, KIND_SECRET, "alice", "{metadata: {name: ray-auth}, stringData: {auth_token: abcdef}}");
    must_create(bench, KIND_STATEFULSET, "alice", STATEFULSET);
    must_create(bench, KIND_CLAIM, "alice", "{metadata: {name: home}, spec: {resources: {requests: {storage: 1Gi}}}}");
    must_create(bench, KIND_NOTEBOOK, "alice", "{metadata: {name: held, finalizers: [x.example/y]}}");
    wait_until(bench, nb_ready, "the set is ready");
    assert_int_equal(engine_delete(bench->engine, KIND_NAMESPACE, NULL, "alice", NULL, &error), 0);
    assert_int_equal(create(bench, KIND_SECRET, "alice", "{metadata: {name: late}}", NULL, &error), -ERROR_CONFLICT);
    WAIT(fake_pod_count() == 0);
    assert_true(is(bench, KIND_NAMESPACE, NULL, "alice", "phase", "Terminating"));
    restart_engine(bench); /* in the middle of it */
    AUTO_JSON cJSON *release = from_yaml("{metadata: {finalizers: []}}");
    assert_int_equal(engine_patch(bench->engine, KIND_NOTEBOOK, "alice", "held", ENGINE_SPEC, ENGINE_PATCH_MERGE,
                                  release, NULL, NULL),
                     0);
    WAIT(count(bench, KIND_NAMESPACE, NULL) == 0);
    for (unsigned kind = 0; kind < KIND_COUNT; kind++)
        if (engine_kinds[kind].namespaced)
            assert_int_equal(count(bench, (enum engine_kind)kind, "alice"), 0);
    assert_int_equal(cJSON_GetArraySize(fake.sandboxes), 0);
}

static void add_image(struct bench *bench, const char *name, const char *description)
{
    AUTO_FREE char *directory = memory_format("%s/%s", bench->images, name);
    AUTO_FREE char *file = memory_format("%s/image.json", directory);
    assert_int_equal(file_make_directories(directory, 0755, NULL), 0);
    assert_int_equal(file_write(file, slice_of(description), 0644, NULL), 0);
}

/* Offered ones, those of stopped workloads and of templates within templates, and what those are built from. */
static void test_needed_images(void **state)
{
    struct bench *bench = *state;
    struct error error = {0};
    AUTO_JSON cJSON *removed = NULL;
    clock_sleep_ms(2100); /* what is installed is read again after two seconds */
    add_image(bench, "base", "{}");
    add_image(bench, "derived", "{\"base\": \"base\"}");
    add_image(bench, "job", "{\"aliases\": [\"example/job:1\"]}");
    add_image(bench, "offered", "{}");
    add_image(bench, "unwanted", "{}");
    make_alice(bench);
    must_create(bench, KIND_STATEFULSET, "alice",
                "metadata: {name: stopped}\nspec: {replicas: 0, serviceName: s, template: {metadata: {labels: {a: b}},"
                " spec: {containers: [{name: main, image: derived, command: [sleep, '1']}]}}}");
    must_create(bench, KIND_RAYJOB, "alice",
                "metadata: {name: j}\nspec: {suspend: true, rayClusterSpec: {headGroupSpec: {template: {spec:"
                " {containers: [{name: head, image: 'example/job:1-py311'}]}}}}}");
    if (engine_prune_images(bench->engine, "offered, absent", 60, &removed, &error) < 0)
        fail_msg("%s", error.message);
    AUTO_FREE char *kept = json_print(fake.kept);
    assert_string_equal(kept, "[\"base\",\"derived\",\"job\",\"offered\"]");
    assert_int_equal(fake.unused_s, 60);
}

/* The fake's pods use a quarter of a CPU. */
static void test_measure(void **state)
{
    struct bench *bench = *state;
    struct error error = {0};
    AUTO_JSON cJSON *first = NULL, *second = NULL;
    double cpu = 0;
    make_alice(bench);
    must_create(bench, KIND_POD, "alice",
                "metadata: {name: p}\nspec: {containers: [{name: main, image: ray-2.60, command: [sleep]}]}\n");
    WAIT(is(bench, KIND_POD, "alice", "p", "phase", "Running"));
    fake.late_ms = 500; /* what is told late is not what was used since */
    assert_int_equal(engine_measure(bench->engine, &first, &error), 0);
    fake.late_ms = 0;
    nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    assert_int_equal(engine_measure(bench->engine, &second, &error), 0);
    const cJSON *pod;
    cJSON_ArrayForEach(pod, second)
    {
        if (strcmp(json_text_or("", pod, "name", NULL), "p") == 0)
            cpu = cJSON_GetNumberValue(json_member(pod, "cpu"));
    }
    assert_true(cpu > 0.1 && cpu < 0.5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_object_life),
        TEST(test_status_is_apart),
        TEST(test_another_of_that_name),
        TEST(test_finalizers_and_owners),
        TEST(test_lists),
        TEST(test_view),
        TEST(test_limits),
        TEST(test_watch),
        TEST(test_database_away),
        TEST(test_unanswered_commit),
        TEST(test_statefulset),
        TEST(test_adoption),
        TEST(test_sandboxd_away),
        TEST(test_pod_ends),
        TEST(test_ended_pod_starts_again),
        TEST(test_claim),
        TEST(test_missing_secret),
        TEST(test_raycluster),
        TEST(test_raycluster_keeps_its_use),
        TEST(test_new_head_new_workers),
        TEST(test_restarted_head_new_workers),
        TEST(test_poddefaults),
        TEST(test_namespace_removal),
        TEST(test_needed_images),
        TEST(test_measure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
