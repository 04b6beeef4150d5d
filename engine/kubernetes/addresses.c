/* At which addresses do pods of this cluster find its API server? */
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/kubernetes/internal.h"

#define ADDRESSES_MS 30000 /* an API server that has moved is noticed after as long as a kind that has come */
#define SLICE_TARGET "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes"

/* Sorted, each once: an order that changes would make a policy change. */
static void add(cJSON *list, const char *address, int64_t port)
{
    int at = 0;
    const cJSON *one;
    cJSON_ArrayForEach(one, list)
    {
        int64_t other = 0;
        (void)json_i64(json_member(one, "port"), &other);
        int order = strcmp(json_text_or("", one, "address", NULL), address);
        if (order == 0 && other == port)
            return;
        if (order > 0 || (order == 0 && other > port))
            break;
        at++;
    }
    cJSON *entry = json_object();
    json_set_text(entry, "address", address);
    json_set_i64(entry, "port", port);
    (void)cJSON_InsertItemInArray(list, at, entry);
}

static void add_all(cJSON *list, const cJSON *addresses, const cJSON *ports)
{
    const cJSON *address, *port;
    cJSON_ArrayForEach(address, addresses)
    {
        cJSON_ArrayForEach(port, ports)
        {
            int64_t number = 0;
            if (cJSON_IsString(address) && json_i64(json_member(port, "port"), &number))
                add(list, address->valuestring, number);
        }
    }
}

/* By the Service's own address, where policies are looked at before it is translated. */
static void add_service(struct kubernetes *kubernetes, cJSON *list)
{
    AUTO_JSON cJSON *service = NULL;
    if (object_get(&kubernetes->base, KIND_SERVICE, "default", "kubernetes", &service, NULL) == 0)
        add_all(list, json_at(service, "spec", "clusterIPs", NULL), json_at(service, "spec", "ports", NULL));
}

/* By those of the API servers behind it, as they themselves keep them. There are none where they listen on loopback. */
static int add_servers(struct kubernetes *kubernetes, cJSON *list, struct error *error)
{
    AUTO_JSON cJSON *slice = NULL;
    struct error own = {0};
    const cJSON *endpoint;
    int r =
        kube_call(kubernetes->client, &(struct kube_request){.method = "GET", .target = SLICE_TARGET}, &slice, &own);
    if (r == -ERROR_FORBIDDEN && !kubernetes->addresses) /* the rights of an older chart: said once */
        log_line(LOG_WARN, "pods reach the API server by its Service only", LOG_FAULT(&own));
    if (r < 0)
        return r == -ERROR_NOT_FOUND || r == -ERROR_FORBIDDEN ? 0 : error_set(error, own.code, NULL, "%s", own.message);
    cJSON_ArrayForEach(endpoint, json_member(slice, "endpoints"))
    {
        add_all(list, json_member(endpoint, "addresses"), json_member(slice, "ports"));
    }
    return 0;
}

static bool is_fresh(const struct kubernetes *kubernetes)
{
    return kubernetes->addresses && clock_monotonic_ms() - kubernetes->addresses_ms < ADDRESSES_MS;
}

int api_addresses(struct engine *engine, cJSON **ret, struct error *error)
{
    struct kubernetes *kubernetes = kubernetes_of(engine);
    int r = 0;
    pthread_mutex_lock(&kubernetes->addressing);
    if (!is_fresh(kubernetes)) {
        cJSON *list = json_array();
        add_service(kubernetes, list);
        r = add_servers(kubernetes, list, error);
        if (r < 0) {
            cJSON_Delete(list);
            r = kubernetes->addresses ? 0 : r; /* what was known holds while nobody answers */
        } else {
            cJSON_Delete(kubernetes->addresses);
            kubernetes->addresses = list;
            kubernetes->addresses_ms = clock_monotonic_ms();
        }
    }
    if (r == 0)
        *ret = json_copy(kubernetes->addresses);
    pthread_mutex_unlock(&kubernetes->addressing);
    return r;
}
