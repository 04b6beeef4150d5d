/* How much memory does the kubernetes engine take for what a real API server holds?
 *   kubernetes_memory make KUBECONFIG PROFILES BINDINGS   creates them: a Profile has a Namespace, a Notebook and a
 *                                                         RayCluster; RoleBindings are kept as metadata only
 *   kubernetes_memory measure KUBECONFIG                  reads them as atelierd does, in a process of its own */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/random.h"
#include "engine/kubernetes/internal.h"

#define THREADS 32
#define BINDINGS_NAMESPACE "memory-bindings"
#define OURS "\"labels\":{\"app.kubernetes.io/managed-by\":\"atelier\",\"atelier.dev/profile\":\"memory-%" PRId64 "\"}"
#define APPLIED "\"annotations\":{\"atelier.dev/applied\":\"%016" PRIx64 "\"}"

static struct kube_client *client;
static int64_t profiles, bindings;
static _Atomic int64_t next, failed;

static void create(const char *target, char *body)
{
    struct error error = {0};
    const struct kube_request request = {.method = "POST",
                                         .target = target,
                                         .content_type = "application/json",
                                         .body = slice_of(body),
                                         .deadline_ms = 120000};
    int r = kube_call(client, &request, NULL, &error);
    if (r < 0 && r != -ERROR_EXISTS && atomic_fetch_add(&failed, 1) == 0)
        fprintf(stderr, "%s: %s %s\n", target, error.field, error.message);
    free(body);
}

static uint64_t hash(void)
{
    uint64_t value;
    random_bytes(&value, sizeof(value));
    return value;
}

#define CONTAINER(name, image, cpu, memory)                                                                            \
    "{\"name\":\"" name "\",\"image\":\"" image "\",\"resources\":{\"limits\":{\"cpu\":\"" cpu                         \
    "\",\"memory\":\"" memory "\"},\"requests\":{\"cpu\":\"" cpu "\",\"memory\":\"" memory                             \
    "\"}},\"volumeMounts\":[{\"name\":\"home\","                                                                       \
    "\"mountPath\":\"/home/ray\"}],\"securityContext\":{\"allowPrivilegeEscalation\":false,"                           \
    "\"capabilities\":{\"drop\":[\"ALL\"]}}}"
#define POD(name, image, cpu, memory)                                                                                  \
    "\"template\":{\"spec\":{\"securityContext\":{\"runAsNonRoot\":true,\"fsGroup\":1000,"                             \
    "\"seccompProfile\":{\"type\":\"RuntimeDefault\"}},\"containers\":[" CONTAINER(                                    \
        name, image, cpu, memory) "],\"volumes\":[{\"name\":\"home\",\"emptyDir\":{}}]}}"

static void make_profile(int64_t n)
{
    AUTO_FREE char *notebooks = memory_format("/apis/kubeflow.org/v1/namespaces/memory-%" PRId64 "/notebooks", n);
    AUTO_FREE char *clusters = memory_format("/apis/ray.io/v1/namespaces/memory-%" PRId64 "/rayclusters", n);
    create("/apis/kubeflow.org/v1/profiles",
           memory_format(
               "{\"apiVersion\":\"kubeflow.org/v1\",\"kind\":\"Profile\",\"metadata\":{\"name\":\"memory-%" PRId64
               "\"},\"spec\":{\"owner\":{\"kind\":\"User\",\"name\":\"alice-%" PRId64
               "@example.com\"},\"resourceQuotaSpec\":{\"hard\":{\"cpu\":\"16\",\"memory\":\"64Gi\"}}}}",
               n, n));
    create("/api/v1/namespaces", memory_format("{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":"
                                               "\"memory-%" PRId64 "\"," OURS "," APPLIED "}}",
                                               n, n, hash()));
    create(notebooks,
           memory_format("{\"apiVersion\":\"kubeflow.org/v1\",\"kind\":\"Notebook\",\"metadata\":{\"name\":\"nb\"},"
                         "\"spec\":{" POD("nb", "registry.example.com/jupyter:2026.1", "500m", "1Gi") "}}"));
    create(
        clusters,
        memory_format("{\"apiVersion\":\"ray.io/v1\",\"kind\":\"RayCluster\",\"metadata\":{\"name\":\"rc\"},\"spec\":{"
                      "\"rayVersion\":\"2.60.0\",\"headGroupSpec\":{\"rayStartParams\":{\"dashboard-host\":"
                      "\"0.0.0.0\"}," POD(
                          "ray-head", "registry.example.com/ray:2.60.0", "1",
                          "4Gi") "},"
                                 "\"workerGroupSpecs\":[{\"groupName\":\"workers\",\"replicas\":1,\"minReplicas\":1,"
                                 "\"maxReplicas\":5,\"rayStartParams\":{}," POD(
                                     "ray-worker", "registry.example.com/ray:2.60.0", "1", "2Gi") "}]}}"));
}

static void make_binding(int64_t n)
{
    create("/apis/rbac.authorization.k8s.io/v1/namespaces/" BINDINGS_NAMESPACE "/rolebindings",
           memory_format("{\"apiVersion\":\"rbac.authorization.k8s.io/v1\",\"kind\":\"RoleBinding\",\"metadata\":{"
                         "\"name\":\"atelier-viewer-%" PRId64 "\"," OURS "," APPLIED "},\"roleRef\":{\"apiGroup\":"
                         "\"rbac.authorization.k8s.io\",\"kind\":\"ClusterRole\",\"name\":\"view\"}}",
                         n, n, hash()));
}

static void *make_some(void *context)
{
    int64_t number;
    while ((number = atomic_fetch_add(&next, 1)) < profiles + bindings)
        if (number < profiles)
            make_profile(number);
        else
            make_binding(number - profiles);
    return context;
}

static int make(const char *kubeconfig)
{
    struct kube_config config = {0};
    struct error error = {0};
    pthread_t threads[THREADS];
    if (kube_config_load(kubeconfig, "", &config, &error) < 0 || kube_client_new(&config, &client, &error) < 0) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    kube_config_free(&config);
    create("/api/v1/namespaces", memory_text("{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":"
                                             "\"" BINDINGS_NAMESPACE "\"}}"));
    for (size_t i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, make_some, NULL) != 0)
            return 1;
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    kube_client_free(client);
    return failed ? 1 : 0;
}

/* "VmRSS" (now) or "VmHWM" (the most there was), in MiB. */
static double resident_mib(const char *key)
{
    char line[128];
    double mib = 0;
    FILE *file = fopen("/proc/self/status", "re");
    while (file && fgets(line, sizeof(line), file))
        if (strncmp(line, key, strlen(key)) == 0)
            mib = strtod(line + strlen(key) + 1, NULL) / 1024;
    if (file)
        (void)fclose(file);
    return mib;
}

static int measure(const char *kubeconfig)
{
    struct engine *engine = NULL;
    struct error error = {0};
    const struct kubernetes_options options = {.kubeconfig = kubeconfig,
                                               .context = "",
                                               .namespace = "default",
                                               .tenant_namespace = "atelier-tenants",
                                               .identity = "bench",
                                               .images = ""};
    double empty = resident_mib("VmRSS");
    int64_t began_ms = clock_monotonic_ms();
    if (kubernetes_engine_new(&options, 60000, &engine, &error) < 0) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    struct kubernetes *kubernetes = kubernetes_of(engine);
    for (enum engine_kind kind = 0; kind < KIND_COUNT; kind++)
        if (kubernetes->caches[kind] && engine_has(engine, kind) && !cache_wait(kubernetes->caches[kind], 600000)) {
            fprintf(stderr, "%s are not listed\n", engine_kinds[kind].plural);
            return 1;
        }
    int64_t took_ms = clock_monotonic_ms() - began_ms;
    for (enum engine_kind kind = 0; kind < KIND_COUNT; kind++) {
        struct cache_size size = {0};
        if (kubernetes->caches[kind])
            cache_measure(kubernetes->caches[kind], &size);
        if (size.objects)
            printf("%-24s %8zu objects %8.1f MiB held, of %8.1f MiB text\n", engine_kinds[kind].plural, size.objects,
                   (double)size.bytes / (1 << 20), (double)size.text_bytes / (1 << 20));
    }
    printf("listed in %.1f s; resident %.1f MiB, at most %.1f MiB, %.1f MiB before\n", (double)took_ms / 1000,
           resident_mib("VmRSS"), resident_mib("VmHWM"), empty);
    kubernetes_engine_free(engine);
    return 0;
}

int main(int count, char **arguments)
{
    if (count == 5 && strcmp(arguments[1], "make") == 0 &&
        text_parse_i64(slice_of(arguments[3]), 0, 1000000, &profiles) &&
        text_parse_i64(slice_of(arguments[4]), 0, 1000000, &bindings))
        return make(arguments[2]);
    if (count == 3 && strcmp(arguments[1], "measure") == 0)
        return measure(arguments[2]);
    fprintf(stderr, "usage: kubernetes_memory make KUBECONFIG PROFILES BINDINGS | measure KUBECONFIG\n");
    return 2;
}
