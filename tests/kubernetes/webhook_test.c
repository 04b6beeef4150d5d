/*
 * Does a real API server ask the webhook, and do as it says? Its own certificate, PodDefaults, bad Ray workloads, and
 * that nothing of it can stand in a cluster's way.
 *
 * ATELIER_TEST_KUBECONFIG: an administrator's; see cluster.sh.
 */
#include "tests/integration/postgres.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "auth/auth.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "engine/kubernetes/client.h"
#include "engine/kubernetes/kubernetes.h"
#include "engine/kubernetes/paths.h"
#include "store/store.h"
#include "webhook/webhook.h"
#include "tests/integration/ports.h"
#include "tests/unit/documents.h"

#define PATIENCE_MS 60000

static struct kube_client *client; /* the administrator's */
static const char *kubeconfig;
static char own[64], alice[64],
    plain[64]; /* namespaces of this run: atelierd's, a profile's, one that is no profile's */

/* --- one replica -------------------------------------------------------------------------------------------------- */
static struct replica {
    struct engine *engine;
    struct gateway *gateway;
    struct webhook *webhook;
    unsigned port;
} first;
static struct store *store;
static struct auth *auth;

static void handle(void *context, const struct request *request, struct response *response)
{
    webhook_handle(((struct replica *)context)->webhook, request, response);
}

/* Of the cluster's keys; see cluster.sh. */
static const char *key_file(const char *name)
{
    static char path[1024];
    snprintf(path, sizeof(path), "%s/keys/%s", getenv("ATELIER_TEST_CLUSTER"), name);
    return path;
}

static char *read_key(const char *name)
{
    struct buffer text = {0};
    struct error error = {0};
    if (file_read(key_file(name), 65536, &text, &error) < 0)
        fail_msg("%s", error.message);
    return buffer_take(&text);
}

/* The first one leads, as long as it runs. */
static void replica_start(struct replica *replica, const char *identity)
{
    struct error error = {0};
    char main_listen[32], listen[32];
    struct kubernetes_options cluster = {.kubeconfig = kubeconfig,
                                         .context = "",
                                         .namespace = own,
                                         .tenant_namespace = "atelier-tenants",
                                         .identity = identity,
                                         .images = "",
                                         .leader_election = true};
    if (kubernetes_engine_new(&cluster, PATIENCE_MS, &replica->engine, &error) < 0)
        fail_msg("%s", error.message);
    replica->port = replica->port ? replica->port : free_port();
    snprintf(main_listen, sizeof(main_listen), "127.0.0.1:%u", free_port());
    snprintf(listen, sizeof(listen), "127.0.0.1:%u", replica->port);
    struct webhook_options options = {.engine = replica->engine, .namespace = own};
    struct gateway_options gateway = {.auth = auth,
                                      .engine = replica->engine,
                                      .listen = main_listen,
                                      .webhook_listen = listen,
                                      .webhook_client_ca = key_file("webhook-ca.crt"),
                                      .webhook_handler = handle,
                                      .handler = handle,
                                      .base_domain = "localhost",
                                      .loops = 1,
                                      .workers = 1,
                                      .context = replica};
    if (webhook_new(&options, &replica->webhook, &error) < 0 || gateway_new(&gateway, &replica->gateway, &error) < 0)
        fail_msg("%s", error.message);
    gateway_start(replica->gateway);
    webhook_start(replica->webhook, replica->gateway);
}

static void replica_stop(struct replica *replica)
{
    webhook_stop(replica->webhook);
    gateway_stop(replica->gateway, 0);
    gateway_free(replica->gateway);
    webhook_free(replica->webhook);
    kubernetes_engine_free(replica->engine);
    *replica = (struct replica){0};
}

/* --- the cluster -------------------------------------------------------------------------------------------------- */

static int call(const char *method, enum engine_kind kind, const char *namespace, const char *name, const cJSON *body,
                cJSON **ret, struct error *error)
{
    AUTO_BUFFER struct buffer target = {0};
    AUTO_FREE char *text = body ? json_print(body) : NULL;
    path_add(&target, kind, namespace, name, NULL);
    return kube_call(client,
                     &(struct kube_request){.method = method,
                                            .target = target.p,
                                            .content_type = body ? "application/json" : NULL,
                                            .body = slice_of(text)},
                     ret, error);
}

static cJSON *get(enum engine_kind kind, const char *namespace, const char *name)
{
    cJSON *object = NULL;
    (void)call("GET", kind, namespace, name, NULL, &object, NULL);
    return object;
}

static int update(enum engine_kind kind, const char *namespace, const cJSON *object, cJSON **ret, struct error *error)
{
    return call("PUT", kind, namespace, json_text(object, "metadata", "name", NULL), object, ret, error);
}

static int create(enum engine_kind kind, const char *namespace, const char *yaml, cJSON **ret, struct error *error)
{
    AUTO_JSON cJSON *object = from_yaml(yaml);
    json_set_text(object, "apiVersion", engine_api_version(kind));
    json_set_text(object, "kind", engine_kinds[kind].kind);
    return call("POST", kind, namespace, NULL, object, ret, error);
}

static cJSON *must_create(enum engine_kind kind, const char *namespace, const char *yaml)
{
    struct error error = {0};
    cJSON *object = NULL;
    if (create(kind, namespace, yaml, &object, &error) < 0)
        fail_msg("%s", error.message);
    return object;
}

static void must_refuse(enum engine_kind kind, const char *yaml, const char *webhook, const char *words)
{
    struct error error = {0};
    if (create(kind, alice, yaml, NULL, &error) == 0)
        fail_msg("%s was let in", yaml);
    AUTO_FREE char *who = memory_format("admission webhook \"%s\" denied the request", webhook);
    if (!strstr(error.message, who) || !strstr(error.message, words))
        fail_msg("%s: said \"%s\"", yaml, error.message);
}

#define ADMISSION "/apis/admissionregistration.k8s.io/v1/"
static int configurations_call(const char *method, const char *target, const char *yaml, cJSON **ret)
{
    AUTO_JSON cJSON *body = yaml ? from_yaml(yaml) : NULL;
    AUTO_FREE char *text = body ? json_print(body) : NULL;
    struct error error = {0};
    int status =
        kube_call(client,
                  &(struct kube_request){
                      .method = method, .target = target, .content_type = "application/json", .body = slice_of(text)},
                  ret, &error);
    if (status < 0 && status != -ERROR_NOT_FOUND && status != -ERROR_EXISTS)
        fail_msg("%s", error.message);
    return status;
}

/* As charts/atelier/templates/webhook.yaml, but for where we are. */
static char *make_webhook(const char *name, const char *policy, const char *path, bool mutates, const char *rules)
{
    return memory_format("  - name: %s\n    failurePolicy: %s\n    matchPolicy: Equivalent\n%s"
                         "    clientConfig: {url: 'https://127.0.0.1:%u%s'}\n"
                         "    admissionReviewVersions: [v1]\n    sideEffects: None\n    timeoutSeconds: 30\n"
                         "    namespaceSelector: {matchExpressions: [{key: atelier.dev/profile, operator: Exists}]}\n"
                         "    rules:\n%s",
                         name, policy, mutates ? "    reinvocationPolicy: Never\n" : "", first.port, path, rules);
}

static void configure(void)
{
    static const char pods[] =
        "      - {apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]}\n",
                      workloads[] =
                          "      - {apiGroups: [kubeflow.org], apiVersions: ['*'], operations: [CREATE, UPDATE], "
                          "resources: [notebooks]}\n"
                          "      - {apiGroups: [ray.io], apiVersions: ['*'], operations: [CREATE, UPDATE], "
                          "resources: [rayclusters, rayjobs, rayservices, raycronjobs]}\n";
    AUTO_FREE char *mutate_pods = make_webhook("pods.atelier.dev", "Ignore", "/mutate/pods", true, pods);
    AUTO_FREE char *mutate = make_webhook("defaults.atelier.dev", "Ignore", "/mutate/workloads", true, workloads);
    AUTO_FREE char *validate = make_webhook("workloads.atelier.dev", "Ignore", "/validate/workloads", false, workloads);
    AUTO_FREE char *mutating = memory_format("apiVersion: admissionregistration.k8s.io/v1\n"
                                             "kind: MutatingWebhookConfiguration\nmetadata: {name: atelier}\n"
                                             "webhooks:\n%s%s",
                                             mutate_pods, mutate);
    AUTO_FREE char *validating = memory_format("apiVersion: admissionregistration.k8s.io/v1\n"
                                               "kind: ValidatingWebhookConfiguration\nmetadata: {name: atelier}\n"
                                               "webhooks:\n%s",
                                               validate);
    configurations_call("DELETE", ADMISSION "mutatingwebhookconfigurations/atelier", NULL, NULL);
    configurations_call("DELETE", ADMISSION "validatingwebhookconfigurations/atelier", NULL, NULL);
    assert_int_equal(configurations_call("POST", ADMISSION "mutatingwebhookconfigurations", mutating, NULL), 0);
    assert_int_equal(configurations_call("POST", ADMISSION "validatingwebhookconfigurations", validating, NULL), 0);
}

static void make_namespace(const char *name, bool profile)
{
    AUTO_FREE char *namespace =
        memory_format("metadata: {name: %s%s%s%s}", name, profile ? ", labels: {atelier.dev/profile: " : "",
                      profile ? name : "", profile ? "}" : "");
    (void)create(KIND_NAMESPACE, NULL, namespace, NULL, NULL);
    (void)create(KIND_SERVICEACCOUNT, name, "metadata: {name: default}", NULL, NULL);
}

static bool is_trusted(void)
{
    static const char *const targets[] = {ADMISSION "mutatingwebhookconfigurations/atelier",
                                          ADMISSION "validatingwebhookconfigurations/atelier"};
    bool all = true;
    for (size_t i = 0; i < COUNT_OF(targets); i++) {
        AUTO_JSON cJSON *configuration = NULL;
        const cJSON *webhook;
        assert_int_equal(configurations_call("GET", targets[i], NULL, &configuration), 0);
        cJSON_ArrayForEach(webhook, json_member(configuration, "webhooks")) all =
            all && json_text(webhook, "clientConfig", "caBundle", NULL);
    }
    return all;
}

#define DEFAULT                                                                                                        \
    "metadata: {name: proxy}\nspec:\n  selector: {matchLabels: {proxy: 'yes'}}\n"                                      \
    "  env: [{name: TEAM_REGION, value: north}]\n"                                                                     \
    "  annotations: {team: blue}\n  volumes: [{name: scratch, emptyDir: {}}]\n"                                        \
    "  volumeMounts: [{name: scratch, mountPath: /scratch}]\n"
#define POD(name, labels, env)                                                                                         \
    "metadata: {" name ", labels: {" labels "}}\nspec: {containers: [{name: c, image: i" env "}]}"

#define HEAD                                                                                                           \
    "headGroupSpec: {rayStartParams: {}, template: {spec: {containers: [{name: ray-head, image: "                      \
    "'rayproject/ray:2.60.0', resources: {limits: {cpu: 1, memory: 2Gi}}}]}}}"
#define OPEN(name) "metadata: {" name "}\nspec: {authOptions: {mode: disabled}, " HEAD "}"

/* The API server hears of changed configurations some moments later, of each kind of them for itself. */
static void wait_until_asked(void)
{
    int64_t until = clock_monotonic_ms() + PATIENCE_MS;
    for (bool mutates = false, validates = false; !mutates || !validates; clock_sleep_ms(100)) {
        AUTO_JSON cJSON *pod = must_create(KIND_POD, alice, POD("generateName: probe-", "proxy: 'yes'", ""));
        mutates = json_at(pod, "metadata", "annotations", "team", NULL);
        validates = create(KIND_RAYCLUSTER, alice, OPEN("generateName: probe-"), NULL, NULL) < 0;
        if (clock_monotonic_ms() > until)
            fail_msg("the API server does not ask within %d s", PATIENCE_MS / 1000);
    }
}

static int start(void **state)
{
    struct error error = {0};
    struct kube_config config;
    kubeconfig = getenv("ATELIER_TEST_KUBECONFIG");
    (void)state;
    if (!kubeconfig || kube_config_load(kubeconfig, "", &config, &error) < 0)
        fail_msg("ATELIER_TEST_KUBECONFIG: %s", kubeconfig ? error.message : "is not set");
    snprintf(own, sizeof(own), "webhook-%d", (int)getpid());
    snprintf(alice, sizeof(alice), "alice-%d", (int)getpid());
    snprintf(plain, sizeof(plain), "plain-%d", (int)getpid());
    log_start("webhook_test", LOG_WARN);
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(kube_client_new(&config, &client, &error), 0);
    kube_config_free(&config);
    AUTO_FREE char *url = postgres_database("webhook");
    struct store_options options = {.url = url, .connections = 2};
    if (store_new(&options, &store, &error) < 0 || store_wait(store, 10000, &error) < 0 ||
        store_migrate(store, &error) < 0)
        fail_msg("%s", error.message);
    struct auth_options people = {
        .store = store, .admin_email = "admin@localhost", .max_stale_ms = 60000, .session_ttl_ms = 60000};
    if (auth_new(&people, &auth, &error) < 0)
        fail_msg("%s", error.message);
    make_namespace(own, false);
    make_namespace(plain, false);
    make_namespace(alice, true);
    cJSON_Delete(must_create(KIND_PODDEFAULT, alice, DEFAULT));
    cJSON_Delete(must_create(KIND_PODDEFAULT, plain, DEFAULT));
    return 0;
}

static int stop(void **state)
{
    (void)state;
    configurations_call("DELETE", ADMISSION "mutatingwebhookconfigurations/atelier", NULL, NULL);
    configurations_call("DELETE", ADMISSION "validatingwebhookconfigurations/atelier", NULL, NULL);
    auth_free(auth);
    store_free(store);
    kube_client_free(client);
    return 0;
}

/* --- the tests, in this order ------------------------------------------------------------------------------------- */

/* Before anybody has written what to trust, the API server cannot ask: pods and workloads are made all the same. */
static void nothing_waits_for_the_webhook(void **state)
{
    (void)state;
    first.port = free_port();
    configure();
    AUTO_JSON cJSON *pod = must_create(KIND_POD, alice, POD("name: early", "proxy: 'yes'", ""));
    assert_null(json_at(pod, "metadata", "annotations", "team", NULL));
}

static void wait_until_trusted(void)
{
    int64_t until = clock_monotonic_ms() + PATIENCE_MS;
    while (!is_trusted()) {
        if (clock_monotonic_ms() > until)
            fail_msg("no caBundle within %d s", PATIENCE_MS / 1000);
        clock_sleep_ms(50);
    }
}

static void it_makes_itself_trusted(void **state)
{
    (void)state;
    replica_start(&first, "first");
    configure();
    wait_until_trusted();
    wait_until_asked();
    AUTO_JSON cJSON *secret = NULL;
    assert_int_equal(call("GET", KIND_SECRET, own, "atelier-webhook", NULL, &secret, NULL), 0);
    assert_string_equal(json_text(secret, "type", NULL), "kubernetes.io/tls");
}

static void pods_get_their_poddefaults(void **state)
{
    (void)state;
    AUTO_JSON cJSON *pod = must_create(KIND_POD, alice, POD("name: with", "proxy: 'yes'", ""));
    const cJSON *container = json_at(pod, "spec", "containers", NULL)->child;
    assert_string_equal(json_text_or("", json_member(container, "env")->child, "name", NULL), "TEAM_REGION");
    assert_string_equal(json_text_or("", pod, "metadata", "annotations", "team", NULL), "blue");
    assert_non_null(
        json_at(pod, "metadata", "annotations", "poddefault.admission.kubeflow.org/poddefault-proxy", NULL));
    AUTO_JSON cJSON *without = must_create(KIND_POD, alice, POD("name: without", "proxy: 'no'", ""));
    assert_null(json_member(json_at(without, "spec", "containers", NULL)->child, "env"));
    AUTO_JSON cJSON *elsewhere = must_create(KIND_POD, plain, POD("generateName: with-", "proxy: 'yes'", ""));
    assert_null(json_member(json_at(elsewhere, "spec", "containers", NULL)->child, "env"));
    must_refuse(KIND_POD, POD("name: own", "proxy: 'yes'", ", env: [{name: TEAM_REGION, value: mine}]"),
                "pods.atelier.dev", "PodDefault \"proxy\" conflicts with the pod");
}

/* A kind that Atelier keeps nothing of, and judges by the jobs that KubeRay would make of it. */
static void must_refuse_cron_job(const char *yaml, const char *words)
{
    AUTO_JSON cJSON *body = from_yaml(yaml), *made = NULL;
    AUTO_FREE char *target = memory_format("/apis/ray.io/v1/namespaces/%s/raycronjobs", alice);
    struct error error = {0};
    json_set_text(body, "apiVersion", "ray.io/v1");
    json_set_text(body, "kind", "RayCronJob");
    AUTO_FREE char *text = json_print(body);
    const struct kube_request request = {
        .method = "POST", .target = target, .content_type = "application/json", .body = slice_of(text)};
    if (kube_call(client, &request, &made, &error) == 0)
        fail_msg("%s was let in", yaml);
    if (!strstr(error.message, "workloads.atelier.dev") || !strstr(error.message, words))
        fail_msg("%s: said \"%s\"", yaml, error.message);
}

static void workloads_are_judged_and_completed(void **state)
{
    (void)state;
    must_refuse(KIND_RAYCLUSTER, OPEN("name: bad"), "workloads.atelier.dev", "authOptions");
    must_refuse(KIND_RAYCLUSTER,
                "metadata: {name: a-name-that-is-far-too-long-for-what-kuberay-makes-of-it-later}\nspec: {" HEAD "}",
                "workloads.atelier.dev", "metadata.name");
    must_refuse(KIND_RAYJOB, "metadata: {name: bad}\nspec: {entrypoint: '', rayClusterSpec: {" HEAD "}}",
                "workloads.atelier.dev", "entrypoint");
    must_refuse_cron_job("metadata: {name: bad}\nspec: {schedule: '@daily', jobTemplate: {rayClusterSpec: {" HEAD "}}}",
                         "its jobs: spec.entrypoint");
    AUTO_JSON cJSON *cluster = must_create(KIND_RAYCLUSTER, alice, "metadata: {name: good}\nspec: {" HEAD "}");
    assert_string_equal(json_text_or("", cluster, "spec", "authOptions", "mode", NULL), "token");
    AUTO_JSON cJSON *notebook = must_create(
        KIND_NOTEBOOK, alice, "metadata: {name: nb1}\nspec: {template: {spec: {containers: [{name: nb1}]}}}");
    assert_non_null(json_member(json_at(notebook, "spec", "template", "spec", "containers", NULL)->child, "image"));
    must_refuse(KIND_NOTEBOOK, "metadata: {name: two--dashes}\nspec: {template: {spec: {containers: [{name: nb1}]}}}",
                "workloads.atelier.dev", "metadata.name");
}

/* An object that came past us, or before us, can be marked by controllers and goes away; only its spec is judged. */
static void what_is_there_is_not_locked_in(void **state)
{
    (void)state;
    struct error error = {0};
    cJSON_Delete(must_create(KIND_RAYCLUSTER, plain, OPEN("name: old")));
    AUTO_JSON cJSON *namespace = get(KIND_NAMESPACE, NULL, plain);
    json_set_text(json_object_in(json_object_in(namespace, "metadata"), "labels"), "atelier.dev/profile", plain);
    assert_int_equal(update(KIND_NAMESPACE, NULL, namespace, NULL, NULL), 0);
    AUTO_JSON cJSON *old = get(KIND_RAYCLUSTER, plain, "old");
    json_push_text(json_set(json_object_in(old, "metadata"), "finalizers", json_array()), "example.com/wait");
    AUTO_JSON cJSON *marked = NULL;
    if (update(KIND_RAYCLUSTER, plain, old, &marked, &error) < 0)
        fail_msg("%s", error.message);
    AUTO_JSON cJSON *changed = json_copy(marked);
    json_set_text(json_object_in(changed, "spec"), "rayVersion", "2.60.0");
    int64_t until = clock_monotonic_ms() + PATIENCE_MS; /* the namespace's label is heard of a moment later */
    while (update(KIND_RAYCLUSTER, plain, changed, NULL, &error) == 0) {
        assert_true(clock_monotonic_ms() < until);
        AUTO_JSON cJSON *now = get(KIND_RAYCLUSTER, plain, "old");
        json_set_text(json_object_in(changed, "metadata"), "resourceVersion",
                      json_text(now, "metadata", "resourceVersion", NULL));
        json_set_text(json_object_in(changed, "spec"), "rayVersion",
                      strcmp(json_text_or("", changed, "spec", "rayVersion", NULL), "2.60.0") == 0 ? "2.59.0"
                                                                                                   : "2.60.0");
        clock_sleep_ms(100);
    }
    assert_non_null(strstr(error.message, "workloads.atelier.dev"));
    assert_int_equal(call("DELETE", KIND_RAYCLUSTER, plain, "old", NULL, NULL, NULL), 0);
    AUTO_JSON cJSON *going = get(KIND_RAYCLUSTER, plain, "old");
    assert_non_null(json_at(going, "metadata", "deletionTimestamp", NULL));
    json_remove(json_object_in(going, "metadata"), "finalizers");
    if (update(KIND_RAYCLUSTER, plain, going, NULL, &error) < 0)
        fail_msg("%s", error.message);
    assert_int_equal(call("GET", KIND_RAYCLUSTER, plain, "old", NULL, NULL, NULL), -ERROR_NOT_FOUND);
}

/* <config> is the API server's: without its certificate, and with one that another authority made, nothing is said. */
static void callers_are_authenticated(const struct kube_config *config, const struct kube_request *request)
{
    AUTO_FREE char *certificate = read_key("admin.crt");
    AUTO_FREE char *key = read_key("admin.key");
    struct kube_config others[] = {*config, *config};
    others[0].certificate = others[0].key = NULL;
    others[1].certificate = certificate;
    others[1].key = key;
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        struct kube_client *caller;
        struct error error = {0};
        assert_int_equal(kube_client_new(&others[i], &caller, &error), 0);
        assert_int_equal(kube_call(caller, request, NULL, &error), -ERROR_UNAVAILABLE);
        kube_client_free(caller);
    }
}

/* Who only follows presents what the leader made. */
static void replicas_share_one_certificate(void **state)
{
    (void)state;
    struct replica second = {0};
    struct error error = {0};
    AUTO_JSON cJSON *secret = NULL;
    AUTO_BUFFER struct buffer ca = {0};
    replica_start(&second, "second");
    assert_int_equal(call("GET", KIND_SECRET, own, "atelier-webhook", NULL, &secret, NULL), 0);
    assert_true(text_unbase64(slice_of(json_text(secret, "data", "ca.crt", NULL)), &ca));
    AUTO_FREE char *url = memory_format("https://127.0.0.1:%u", second.port);
    AUTO_FREE char *certificate = read_key("webhook.crt");
    AUTO_FREE char *key = read_key("webhook.key");
    struct kube_config config = {.server = url, .ca = ca.p, .certificate = certificate, .key = key};
    struct kube_client *api_server;
    struct kube_request request = {.method = "POST",
                                   .target = "/mutate/pods",
                                   .content_type = "application/json",
                                   .body = SLICE("{\"kind\":\"AdmissionReview\"}"),
                                   .once = true};
    assert_int_equal(kube_client_new(&config, &api_server, &error), 0);
    int64_t until = clock_monotonic_ms() + PATIENCE_MS;
    int status;
    while ((status = kube_call(api_server, &request, NULL, &error)) == -ERROR_UNAVAILABLE &&
           clock_monotonic_ms() < until)
        clock_sleep_ms(50); /* its first look at the Secret is still under way */
    if (status != -ERROR_BAD_REQUEST || !strstr(error.message, "apiVersion: expected admission.k8s.io/v1"))
        fail_msg("%d: %s", status, error.message);
    request.target = "/mutate/anything";
    assert_int_equal(kube_call(api_server, &request, NULL, &error), -ERROR_NOT_FOUND);
    request.target = "/mutate/pods";
    request.content_type = "text/plain";
    assert_true(kube_call(api_server, &request, NULL, &error) < 0);
    kube_client_free(api_server);
    callers_are_authenticated(&config, &request);
    replica_stop(&second);
}

/* A cluster goes on without us. */
static void an_absent_webhook_is_in_nobodys_way(void **state)
{
    (void)state;
    replica_stop(&first);
    AUTO_JSON cJSON *pod = must_create(KIND_POD, alice, POD("name: late", "proxy: 'yes'", ""));
    assert_null(json_at(pod, "metadata", "annotations", "team", NULL));
    cJSON_Delete(must_create(KIND_RAYCLUSTER, alice, "metadata: {name: late}\nspec: {" HEAD "}"));
}

static void forget_whom_to_trust(const char *target)
{
    AUTO_JSON cJSON *configuration = NULL;
    cJSON *webhook;
    assert_int_equal(configurations_call("GET", target, NULL, &configuration), 0);
    cJSON_ArrayForEach(webhook, json_member(configuration, "webhooks"))
    {
        json_remove(json_object_in(webhook, "clientConfig"), "caBundle");
    }
    AUTO_FREE char *text = json_print(configuration);
    assert_int_equal(configurations_call("PUT", target, text, NULL), 0);
}

static char *certificate_now(void)
{
    AUTO_JSON cJSON *secret = get(KIND_SECRET, own, "atelier-webhook");
    return memory_text(json_text_or("", secret, "data", "tls.crt", NULL));
}

/* It writes the Secret, then the one configuration and the other. Whoever leads after a crash between them completes
 * what there is, with the same certificate. */
static void a_crash_after_any_write_is_made_good(void **state)
{
    static const char *const left[][2] = {
        {ADMISSION "mutatingwebhookconfigurations/atelier", ADMISSION "validatingwebhookconfigurations/atelier"},
        {ADMISSION "validatingwebhookconfigurations/atelier", NULL},
        {ADMISSION "mutatingwebhookconfigurations/atelier", NULL}};
    AUTO_FREE char *made = certificate_now();
    (void)state;
    assert_true(*made);
    first.port = free_port();
    configure();
    for (size_t i = 0; i < COUNT_OF(left); i++) {
        unsigned port = first.port;
        for (size_t k = 0; k < COUNT_OF(left[i]) && left[i][k]; k++)
            forget_whom_to_trust(left[i][k]);
        assert_false(is_trusted());
        replica_start(&first, "after a crash");
        wait_until_trusted();
        wait_until_asked();
        replica_stop(&first);
        first.port = port;
        AUTO_FREE char *now = certificate_now();
        assert_string_equal(now, made);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_waits_for_the_webhook),       cmocka_unit_test(it_makes_itself_trusted),
        cmocka_unit_test(pods_get_their_poddefaults),          cmocka_unit_test(workloads_are_judged_and_completed),
        cmocka_unit_test(what_is_there_is_not_locked_in),      cmocka_unit_test(replicas_share_one_certificate),
        cmocka_unit_test(an_absent_webhook_is_in_nobodys_way), cmocka_unit_test(a_crash_after_any_write_is_made_good),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
