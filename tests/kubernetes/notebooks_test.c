/* Does a notebook become the same StatefulSet, Service, route and status if its reconciler dies after any write? */
#include "tests/integration/tenants.h"

#include "notebooks/internal.h"
#include "notebooks/render.h"
#include "tests/kubernetes/cutting_engine.h"
#include "tests/kubernetes/likeness.h"

#define NAMESPACE "cuts"
#define PASSES_MAX 600 /* a life that takes more does not converge; controllers of the cluster are waited for in it */
#define PASS_EVERY_MS 50
#define WRITES_MIN                                                                                                     \
    12 /* of a life: secret, service, route, set, statuses; stop, start, grow; adopt; route off and on                 \
        */
#define WRITES_MAX 60
#define GATEWAY "istio-system/main"
#define STOP(value) "{\"metadata\":{\"annotations\":{\"kubeflow-resource-stopped\":" value "}}}"
#define SPEC(memory)                                                                                                   \
    "\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"n\",\"image\":\"example/jupyter:1\",\"resources\":" \
    "{\"limits\":{\"cpu\":\"500m\",\"memory\":\"" memory "\"},\"requests\":{\"cpu\":\"500m\",\"memory\":\"" memory     \
    "\"}}}]}}}"

static struct cutting_engine cutting = {.base = {&cutting_operations}};
static struct notebooks aside = {.engine = &cutting.base}; /* only what is called here acts */
static bool was_cut;

static const struct alike compared[] = {{KIND_NOTEBOOK, NULL},
                                        {KIND_STATEFULSET, NULL},
                                        {KIND_SERVICE, NULL},
                                        {KIND_SECRET, "notebook-%s"},
                                        {KIND_VIRTUALSERVICE, "notebook-" NAMESPACE "-%s"}};

static int begin(void **state)
{
    (void)state;
    engine = cutting.real = cluster_engine("notebooks-test");
    aside.host = memory_text("atelier.atelier-system.svc.cluster.local");
    put(KIND_NAMESPACE, NULL, "{\"metadata\":{\"name\":\"" NAMESPACE "\"}}");
    put(KIND_CLAIM, NAMESPACE,
        "{\"metadata\":{\"name\":\"home\"},\"spec\":{\"accessModes\":[\"ReadWriteOnce\"],\"resources\":{\"requests\":{"
        "\"storage\":\"1Gi\"}}}}");
    put(KIND_SECRET, NAMESPACE, "{\"metadata\":{\"name\":\"ray-auth\"}}");
    put(KIND_SERVICEACCOUNT, NAMESPACE, "{\"metadata\":{\"name\":\"default-editor\"}}");
    return 0;
}

static int end(void **state)
{
    (void)state;
    free(aside.host);
    kubernetes_engine_free(engine);
    return 0;
}

/* The cluster's own controllers have done what they were asked: the pod is there, or it is not. */
static bool cluster_is_done(const char *name)
{
    AUTO_FREE char *pod_name = memory_format("%s-0", name);
    AUTO_JSON cJSON *set = get(KIND_STATEFULSET, NAMESPACE, name);
    AUTO_JSON cJSON *pod = get(KIND_POD, NAMESPACE, pod_name);
    int64_t wanted = 0, observed = 0, generation = 0;
    (void)json_i64(json_at(set, "spec", "replicas", NULL), &wanted);
    (void)json_i64(json_at(set, "status", "observedGeneration", NULL), &observed);
    (void)json_i64(json_at(set, "metadata", "generation", NULL), &generation);
    const char *made_for = json_text_or("", pod, "metadata", "annotations", NOTEBOOK_SECRET_UID, NULL);
    const cJSON *is = json_at(pod, "spec", "containers", NULL);
    const cJSON *shall = json_at(set, "spec", "template", "spec", "containers", NULL);
    const char *size = json_text_or("", is ? is->child : NULL, "resources", "limits", "memory", NULL);
    return set && observed == generation && wanted == (pod != NULL) &&
           (!pod || (*made_for && strcmp(size, json_text_or("?", shall ? shall->child : NULL, "resources", "limits",
                                                            "memory", NULL)) == 0));
}

/* Passes by a process that is cut off when its writes are used up, and then starts anew, until nothing is to be done.
 */
static void settle(const char *name)
{
    for (int pass = 0; pass < PASSES_MAX; pass++, clock_sleep_ms(PASS_EVERY_MS)) {
        int before = cutting.writes;
        int64_t r = notebooks_reconcile(&aside, NAMESPACE, name);
        if (is_cut(&cutting.base)) {
            was_cut = true;
            cutting.cut_after = 0;
        } else if (r >= 0 && cutting.writes == before && cluster_is_done(name)) {
            return;
        }
    }
    AUTO_JSON cJSON *notebook = get(KIND_NOTEBOOK, NAMESPACE, name);
    AUTO_FREE char *text = json_print(notebook);
    fail_msg("%s does not converge: %s", name, text);
}

/* All that a reconciler ever writes for a notebook, cut off after <cut> writes (0: never); the state at its end. */
static char *life(const char *name, int cut)
{
    AUTO_FREE char *text = memory_format("{\"metadata\":{\"name\":\"%s\"}," SPEC("1Gi") "}", name);
    cutting.writes = 0;
    cutting.cut_after = cut;
    was_cut = false;
    aside.istio_gateway = (char[]){GATEWAY};
    put(KIND_NOTEBOOK, NAMESPACE, text);
    settle(name);
    merge(KIND_NOTEBOOK, NAMESPACE, name, STOP("\"now\""));
    settle(name);
    merge(KIND_NOTEBOOK, NAMESPACE, name, "{" SPEC("2Gi") "}");
    merge(KIND_NOTEBOOK, NAMESPACE, name, STOP("null"));
    settle(name);
    /* As Kubeflow's controller leaves it. */
    merge(KIND_SERVICE, NAMESPACE, name, "{\"metadata\":{\"labels\":{\"app.kubernetes.io/managed-by\":null}}}");
    settle(name);
    aside.istio_gateway = NULL;
    settle(name);
    AUTO_FREE char *route = memory_format("notebook-" NAMESPACE "-%s", name);
    AUTO_JSON cJSON *gone = get(KIND_VIRTUALSERVICE, NAMESPACE, route);
    assert_null(gone);
    aside.istio_gateway = (char[]){GATEWAY};
    settle(name);
    aside.istio_gateway = NULL;
    return likeness(compared, COUNT_OF(compared), NAMESPACE, name);
}

static void name_of(int cut, char name[16])
{
    snprintf(name, 16, "life-%02d", cut);
}

static void a_crash_after_any_write_changes_nothing(void **state)
{
    (void)state;
    AUTO_FREE char *wanted = life("life-00", 0);
    char name[16];
    int cut = 0;
    assert_true(engine_has(engine, KIND_VIRTUALSERVICE));
    do {
        name_of(++cut, name);
        AUTO_FREE char *is = life(name, cut);
        assert_string_equal(is, wanted);
        assert_true(cut < WRITES_MAX);
    } while (was_cut);
    printf("cut off after each of %d writes\n", cut - 1);
    assert_true(cut > WRITES_MIN);

    /* And whatever the crash was, all of it goes with the notebook. */
    for (int i = 0; i <= cut; i++) {
        name_of(i, name);
        delete (KIND_NOTEBOOK, NAMESPACE, name);
    }
    for (int i = 0; i <= cut; i++)
        for (size_t kind = 0; kind < COUNT_OF(compared); kind++) {
            name_of(i, name);
            AUTO_FREE char *object = likeness_name(&compared[kind], name);
            wait_for(compared[kind].kind, NAMESPACE, object, NULL);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_crash_after_any_write_changes_nothing)};
    return cmocka_run_group_tests(tests, begin, end);
}
