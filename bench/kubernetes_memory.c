/* How much memory do objects take that the kubernetes engine keeps? kubernetes_memory COUNT metadata|whole
 * Lists of RoleBindings' metadata, or of whole RayClusters, as an API server sends them, without one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "engine/kubernetes/cache.h"

static const char managed[] =
    "\"managedFields\":[{\"manager\":\"atelier\",\"operation\":\"Apply\",\"apiVersion\":\"rbac.authorization.k8s.io/"
    "v1\","
    "\"time\":\"2026-11-26T00:00:00Z\",\"fieldsType\":\"FieldsV1\",\"fieldsV1\":{\"f:metadata\":{\"f:annotations\":{"
    "\"f:atelier.dev/applied\":{}},\"f:labels\":{\"f:app.kubernetes.io/managed-by\":{},\"f:atelier.dev/profile\":{}}},"
    "\"f:roleRef\":{},\"f:subjects\":{}}}]";

/* Kilobytes resident. */
static long resident(void)
{
    AUTO_BUFFER struct buffer text = {0};
    if (file_read("/proc/self/status", 1 << 16, &text, NULL) < 0)
        return 0;
    const char *at = strstr(text.p, "VmRSS:");
    return at ? strtol(at + 6, NULL, 10) : 0;
}

static char *metadata(int64_t i)
{
    return memory_format(
        "{\"metadata\":{\"name\":\"atelier-viewer\",\"namespace\":\"profile-%lld\",\"uid\":\"%08llx-9c9b-4a1e-8f5e-"
        "%012llx\",\"resourceVersion\":\"%lld\",\"creationTimestamp\":\"2026-11-26T00:00:00Z\",\"labels\":{"
        "\"app.kubernetes.io/managed-by\":\"atelier\",\"atelier.dev/profile\":\"profile-%lld\"},"
        "\"annotations\":{\"atelier.dev/applied\":\"%016llx\"},%s}}",
        (long long)i / 15, (unsigned long long)i * 2654435761u, (unsigned long long)i, (long long)i + 1,
        (long long)i / 15, (unsigned long long)i * 0x9e3779b97f4a7c15u, managed);
}

static char *whole(int64_t i)
{
    return memory_format(
        "{\"apiVersion\":\"ray.io/"
        "v1\",\"kind\":\"RayCluster\",\"metadata\":{\"name\":\"cluster\",\"namespace\":\"profile-%lld\","
        "\"uid\":\"%08llx-9c9b-4a1e-8f5e-%012llx\",\"resourceVersion\":\"%lld\",\"generation\":1,%s},\"spec\":{"
        "\"rayVersion\":\"2.60.0\","
        "\"authOptions\":{\"mode\":\"token\",\"secretName\":\"ray-auth\"},\"headGroupSpec\":{\"rayStartParams\":{\"num-"
        "cpus\":\"0\"},"
        "\"template\":{\"spec\":{\"containers\":[{\"name\":\"ray-head\",\"image\":\"rayproject/"
        "ray:2.60.0\",\"resources\":{\"limits\":{"
        "\"cpu\":\"2\",\"memory\":\"4Gi\"},\"requests\":{\"cpu\":\"2\",\"memory\":\"4Gi\"}}}]}}},\"workerGroupSpecs\":["
        "{\"groupName\":"
        "\"workers\",\"replicas\":%lld,\"minReplicas\":0,\"maxReplicas\":10,\"rayStartParams\":{},\"template\":{"
        "\"spec\":{\"containers\":["
        "{\"name\":\"ray-worker\",\"image\":\"rayproject/"
        "ray:2.60.0\",\"resources\":{\"limits\":{\"cpu\":\"4\",\"memory\":\"8Gi\"},"
        "\"requests\":{\"cpu\":\"4\",\"memory\":\"8Gi\"}}}]}}}]},\"status\":{\"desiredWorkerReplicas\":%lld,\"head\":{"
        "\"podIP\":"
        "\"10.%lld.%lld.%lld\",\"podName\":\"cluster-head-%05llx\"},\"conditions\":[{\"type\":\"HeadPodReady\","
        "\"status\":\"True\"}]}}",
        (long long)i, (unsigned long long)i * 2654435761u, (unsigned long long)i, (long long)i + 1, managed,
        (long long)i % 10, (long long)i % 10, (long long)i / 65536, (long long)i / 256 % 256, (long long)i % 256,
        (unsigned long long)i);
}

int main(int argument_count, char **arguments)
{
    int64_t count;
    if (argument_count != 3 || !text_parse_i64(slice_of(arguments[1]), 1, 10000000, &count)) {
        fprintf(stderr, "usage: kubernetes_memory COUNT metadata|whole\n");
        return 2;
    }
    bool drift = strcmp(arguments[2], "metadata") == 0;
    struct names *names = names_new();
    struct hub *hub = hub_new(names);
    struct cache_options options = {.kind = drift ? KIND_ROLEBINDING : KIND_RAYCLUSTER,
                                    .metadata_only = drift,
                                    .names = names,
                                    .packer = packer_new(),
                                    .hub = hub};
    long before = resident();
    struct cache *cache = cache_new(&options);
    cache_list_begin(cache);
    for (int64_t i = 0; i < count; i++) {
        AUTO_FREE char *text = drift ? metadata(i) : whole(i);
        if (drift) { /* each its own name: fifteen to a namespace */
            char *digit = strstr(text, "atelier-viewer");
            digit[0] = (char)('a' + i % 15);
        }
        if (!cache_list_item(cache, slice_of(text)))
            return 1;
    }
    cache_list_end(cache, (uint64_t)count + 1);
    struct cache_size size;
    cache_measure(cache, &size);
    printf("%zu objects: %.1f MiB resident, %.0f bytes each\n", size.objects, (double)(resident() - before) / 1024,
           (double)(resident() - before) * 1024 / (double)size.objects);
    cache_free(cache);
    hub_free(hub);
    return 0;
}
