/* Where does a service's port lead, and how is it reached from here? */
#include "engine/kubernetes/internal.h"
#include "engine/kubernetes/portforward.h"
#include "engine/kubernetes/relay.h"
#include "engine/selector.h"
#include "engine/service_port.h"

static bool serves(const cJSON *pod, bool also_unready)
{
    const char *phase = json_text_or("", pod, "status", "phase", NULL);
    return json_text(pod, "status", "podIP", NULL) && !json_text(pod, "metadata", "deletionTimestamp", NULL) &&
           strcmp(phase, "Succeeded") != 0 && strcmp(phase, "Failed") != 0 &&
           (also_unready || json_condition_true(pod, "Ready"));
}

/* The first ready pod in the order of names; the caller's, or NULL. */
static cJSON *choose_pod(struct cache *pods, const cJSON *service, const char *namespace)
{
    const cJSON *selector = json_at(service, "spec", "selector", NULL);
    bool also_unready = json_true(service, "spec", "publishNotReadyAddresses", NULL);
    cJSON *fallback = NULL, *found = NULL;
    uint64_t version;
    size_t count;
    struct record **records = cache_select(pods, namespace, &count, &version);
    for (size_t i = 0; i < count; i++) {
        cJSON *pod = found ? NULL : cache_object(pods, records[i]);
        record_unref(records[i]);
        if (pod && labels_contain(json_at(pod, "metadata", "labels", NULL), selector)) {
            if (serves(pod, false))
                found = TAKE_POINTER(pod);
            else if (also_unready && !fallback && serves(pod, true))
                fallback = TAKE_POINTER(pod);
        }
        cJSON_Delete(pod);
    }
    free(records);
    if (found) {
        cJSON_Delete(fallback);
        return found;
    }
    return fallback;
}

/* By the service's name: what stands before it in the cluster (a mesh, a policy) then sees a service. A headless one
 * has no ports of its own. */
static int dial_inside(const cJSON *pod, const char *namespace, const cJSON *service, const cJSON *entry,
                       int64_t number, int *ret_fd, struct error *error)
{
    bool headless = strcmp(json_text_or("", service, "spec", "clusterIP", NULL), "None") == 0;
    int64_t port = number;
    if (!headless)
        (void)json_i64(json_member(entry, "port"), &port);
    AUTO_FREE char *name =
        headless ? memory_text(json_text_or("", pod, "status", "podIP", NULL))
                 : memory_format("%s.%s.svc", json_text_or("", service, "metadata", "name", NULL), namespace);
    AUTO_FREE char *text = memory_format("%lld", (long long)port);
    return kube_connect(name, text, ret_fd, error);
}

int dial_service(struct engine *engine, const char *namespace, const char *service, const char *port, int *ret_fd,
                 struct error *error)
{
    struct kubernetes *kubernetes = kubernetes_of(engine);
    AUTO_JSON cJSON *object = NULL;
    struct cache *pods = NULL;
    uint16_t number;
    int r = object_get(engine, KIND_SERVICE, namespace, service, &object, error);
    if (r == 0)
        r = cache_of(kubernetes, KIND_POD, &pods, error);
    if (r < 0)
        return r;
    const cJSON *entry = service_port_find(object, port);
    if (!entry)
        return error_set(error, ERROR_NOT_FOUND, NULL, "no port \"%.63s\" found for service \"%s\"", port, service);
    AUTO_JSON cJSON *pod = choose_pod(pods, object, namespace);
    if (!pod)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "no endpoints available for service \"%s\"", service);
    if (!service_port_target(pod, entry, &number))
        return error_set(error, ERROR_UNAVAILABLE, NULL, "the pod of service \"%s\" has no such port", service);
    if (kubernetes->inside)
        return dial_inside(pod, namespace, object, entry, number, ret_fd, error);
    return portforward_open(kubernetes->client, namespace, json_text_or("", pod, "metadata", "name", NULL), number,
                            ret_fd, error);
}
