/* What do the cluster's pods use? (metrics.k8s.io, where metrics-server or another serves it) */
#include "engine/kubernetes/internal.h"

/* Containers of one pod; "n" (10^-9) and "u" are usual units of CPU there. */
static void add_pod(const cJSON *metrics, cJSON *ret)
{
    int64_t cpu_milli = 0, memory_bytes = 0;
    const cJSON *container;
    cJSON_ArrayForEach(container, json_member(metrics, "containers"))
    {
        int64_t cpu = 0, memory = 0;
        (void)quantity_parse_milli(slice_of(json_text_or("0", container, "usage", "cpu", NULL)), &cpu);
        (void)quantity_parse_bytes(slice_of(json_text_or("0", container, "usage", "memory", NULL)), &memory);
        cpu_milli += cpu;
        memory_bytes += memory;
    }
    cJSON *entry = json_push(ret, json_object());
    json_set_text(entry, "namespace", json_text_or("", metrics, "metadata", "namespace", NULL));
    json_set_text(entry, "name", json_text_or("", metrics, "metadata", "name", NULL));
    json_set(entry, "cpu", cJSON_CreateNumber((double)cpu_milli / 1000));
    json_set_i64(entry, "memory", memory_bytes);
}

int measure_pods(struct engine *engine, cJSON **ret, struct error *error)
{
    static const struct kube_request request = {.method = "GET", .target = "/apis/metrics.k8s.io/v1beta1/pods"};
    AUTO_JSON cJSON *list = NULL;
    const cJSON *item;
    int r = kube_call(kubernetes_of(engine)->client, &request, &list, error);
    if (r == -ERROR_NOT_FOUND)
        return error_set(error, ERROR_METHOD, NULL,
                         "this cluster does not measure its pods: metrics.k8s.io (metrics-server) is not installed");
    if (r == -ERROR_UNAVAILABLE && error) {
        const struct error why = *error; /* the API server's own words do not say whom it asked */
        return error_set(error, ERROR_UNAVAILABLE, NULL, "metrics.k8s.io (metrics-server) does not answer: %s",
                         why.message);
    }
    if (r < 0)
        return r;
    *ret = json_array();
    cJSON_ArrayForEach(item, json_member(list, "items"))
    {
        add_pod(item, *ret);
    }
    return 0;
}
