/* Where does a service's name lead? */
#include "engine/local/service.h"

#include <pthread.h>

#include "base/map.h"
#include "base/random.h"
#include "engine/local/reconcile.h"
#include "engine/local/schedule.h"
#include "engine/local/status.h"
#include "engine/service_port.h"

enum { NO_SANDBOX_YET_MS = 100 };

enum { API_PORT = 443 };

struct hosts {
    pthread_mutex_t lock; /* guards sent */
    struct map *sent;     /* namespace to the hex digest of what was sent last */
};

struct hosts *hosts_new(void)
{
    struct hosts *hosts = memory_get(sizeof(*hosts));
    pthread_mutex_init(&hosts->lock, NULL);
    hosts->sent = map_new();
    return hosts;
}

static void forget_all(struct hosts *hosts)
{
    size_t at = 0;
    struct slice key;
    void *value;
    while (map_next(hosts->sent, &at, &key, &value))
        free(value);
    map_free(hosts->sent);
}

void hosts_forget(struct hosts *hosts)
{
    pthread_mutex_lock(&hosts->lock);
    forget_all(hosts);
    hosts->sent = map_new();
    pthread_mutex_unlock(&hosts->lock);
}

void hosts_free(struct hosts *hosts)
{
    if (!hosts)
        return;
    forget_all(hosts);
    pthread_mutex_destroy(&hosts->lock);
    free(hosts);
}

/* --- services to pods --------------------------------------------------------------------------------------------- */

static const char *pod_address(const struct object *pod)
{
    return json_text_or("", pod->body, "status", "podIP", NULL);
}

static bool pod_serves(const struct object *pod, bool also_unready)
{
    return pod_address(pod)[0] && !pod_is_over(pod) && !object_terminating(pod) &&
           (also_unready || json_condition_true(pod->body, "Ready"));
}

/* Among the pods of a namespace: the first ready one, in the order of names. */
static struct object *choose_pod(const struct object_list *pods, const cJSON *service)
{
    const cJSON *selector = json_at(service, "spec", "selector", NULL);
    bool also_unready = json_true(service, "spec", "publishNotReadyAddresses", NULL);
    struct object *fallback = NULL;
    for (size_t i = 0; i < pods->count; i++) {
        struct object *pod = pods->items[i];
        if (!labels_contain(json_at(pod->body, "metadata", "labels", NULL), selector))
            continue;
        if (pod_serves(pod, false))
            return pod;
        if (also_unready && !fallback && pod_serves(pod, true))
            fallback = pod;
    }
    return fallback;
}

struct object *service_pod(struct local *local, const cJSON *service, const char *namespace)
{
    AUTO_OBJECT_LIST struct object_list pods = {0};
    objects_select(local->objects, KIND_POD, namespace, NULL, &pods);
    struct object *pod = choose_pod(&pods, service);
    return pod ? object_ref(pod) : NULL;
}

/* --- hosts -------------------------------------------------------------------------------------------------------- */

static cJSON *host_entry(cJSON *entries, const char *address)
{
    cJSON *entry = json_push(entries, json_object());
    json_set_text(entry, "address", address);
    return json_set(entry, "names", json_array());
}

static void push_name(cJSON *names, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void push_name(cJSON *names, const char *format, ...)
{
    char text[600]; /* three labels of 63 and a subdomain of 253 at most */
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    json_push_text(names, text);
}

static cJSON *hosts_of(struct local *local, const char *namespace)
{
    AUTO_OBJECT_LIST struct object_list pods = {0};
    AUTO_OBJECT_LIST struct object_list services = {0};
    cJSON *entries = json_array();
    cJSON *api = host_entry(entries, SANDBOX_BRIDGE_ADDRESS);
    push_name(api, "kubernetes.default");
    push_name(api, "kubernetes.default.svc");
    push_name(api, "kubernetes.default.svc.cluster.local");
    objects_select(local->objects, KIND_POD, namespace, NULL, &pods);
    objects_select(local->objects, KIND_SERVICE, namespace, NULL, &services);
    for (size_t i = 0; i < services.count; i++) {
        const char *name = services.items[i]->name;
        const struct object *pod = choose_pod(&pods, services.items[i]->body);
        if (!pod)
            continue;
        cJSON *names = host_entry(entries, pod_address(pod));
        push_name(names, "%s", name);
        push_name(names, "%s.%s", name, namespace);
        push_name(names, "%s.%s.svc", name, namespace);
        push_name(names, "%s.%s.svc.cluster.local", name, namespace);
    }
    for (size_t i = 0; i < pods.count; i++) {
        const struct object *pod = pods.items[i];
        if (!pod_address(pod)[0] || pod_is_over(pod))
            continue;
        const char *hostname = json_text_or(pod->name, pod->body, "spec", "hostname", NULL);
        const char *subdomain = json_text(pod->body, "spec", "subdomain", NULL);
        cJSON *names = host_entry(entries, pod_address(pod));
        push_name(names, "%s", hostname);
        if (subdomain)
            push_name(names, "%s.%s.%s.svc.cluster.local", hostname, subdomain, namespace);
    }
    return entries;
}

int64_t hosts_reconcile(struct local *local, const char *namespace, const char *name, struct error *error)
{
    AUTO_OBJECT struct object *owner = objects_find(local->objects, KIND_NAMESPACE, NULL, namespace);
    (void)name;
    if (!owner || object_terminating(owner))
        return 0;
    AUTO_JSON cJSON *entries = hosts_of(local, namespace);
    AUTO_FREE char *text = json_print(entries);
    AUTO_FREE char *digest = memory_get(2 * DIGEST_SIZE + 1);
    digest_sha256_hex(slice_of(text), digest);
    pthread_mutex_lock(&local->hosts->lock);
    const char *sent = map_get(local->hosts->sent, slice_of(namespace));
    bool same = sent && strcmp(sent, digest) == 0;
    pthread_mutex_unlock(&local->hosts->lock);
    if (same)
        return 0;
    int r = sandbox_hosts(local->sandbox, namespace, entries, error);
    if (r == -ERROR_NOT_FOUND)
        return NO_SANDBOX_YET_MS; /* the namespace's own controller makes it */
    if (r < 0)
        return r;
    pthread_mutex_lock(&local->hosts->lock);
    free(map_put(local->hosts->sent, slice_of(namespace), TAKE_POINTER(digest)));
    pthread_mutex_unlock(&local->hosts->lock);
    return 0;
}

/* --- dialling ----------------------------------------------------------------------------------------------------- */

struct endpoint {
    char address[46];
    uint16_t port;
};

/* Where the service's port leads; <any>: also a number that the service does not name. */
static int find_endpoint(struct local *local, const char *namespace, const char *service, const char *port, bool any,
                         struct endpoint *ret, struct error *error)
{
    AUTO_OBJECT struct object *object = NULL;
    int64_t number = 0;
    int r = objects_get(local->objects, KIND_SERVICE, namespace, service, &object, error);
    if (r < 0)
        return r;
    const cJSON *entry = service_port_find(object->body, port);
    if (!entry && !(any && text_parse_i64(slice_of(port), 1, UINT16_MAX, &number)))
        return error_set(error, ERROR_NOT_FOUND, NULL, "no port \"%.63s\" found for service \"%s\"", port, service);
    AUTO_OBJECT struct object *pod = service_pod(local, object->body, namespace);
    if (!pod)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "no endpoints available for service \"%s\"", service);
    ret->port = (uint16_t)number;
    if (entry && !service_port_target(pod->body, entry, &ret->port))
        return error_set(error, ERROR_UNAVAILABLE, NULL, "the pod of service \"%s\" has no such port", service);
    snprintf(ret->address, sizeof(ret->address), "%s", pod_address(pod));
    return 0;
}

/* sandboxd's own words for what does not answer; what else failed there says nothing to a person. */
static int tell(int result, const char *what, const char *name, struct error *error)
{
    if (result >= 0 || result == -ERROR_UNAVAILABLE)
        return result;
    return error_set(error, ERROR_UNAVAILABLE, NULL, "%s \"%s\" cannot be reached", what, name);
}

int service_dial(struct engine *engine, const char *namespace, const char *service, const char *port, int *ret_fd,
                 struct error *error)
{
    struct local *local = local_of(engine);
    struct endpoint at;
    int r = find_endpoint(local, namespace, service, port, false, &at, error);
    if (r == 0)
        r = tell(sandbox_dial(local->sandbox, namespace, at.address, at.port, ret_fd, error), "service", service,
                 error);
    return r;
}

int service_dial_within(struct engine *engine, const char *namespace, const char *service, const char *port,
                        int *ret_fd, struct error *error)
{
    struct local *local = local_of(engine);
    struct endpoint at;
    int r = find_endpoint(local, namespace, service, port, true, &at, error);
    if (r == 0)
        r = tell(sandbox_dial_within(local->sandbox, namespace, at.address, at.port, ret_fd, error), "service", service,
                 error);
    return r;
}

int service_dial_pod(struct engine *engine, const char *namespace, const char *pod, uint16_t port, int *ret_fd,
                     struct error *error)
{
    struct local *local = local_of(engine);
    AUTO_OBJECT struct object *object = NULL;
    int r = objects_get(local->objects, KIND_POD, namespace, pod, &object, error);
    if (r < 0)
        return r;
    if (!pod_serves(object, true))
        return error_set(error, ERROR_UNAVAILABLE, NULL, "pod \"%s\" does not run", pod);
    return tell(sandbox_dial_within(local->sandbox, namespace, pod_address(object), port, ret_fd, error), "pod", pod,
                error);
}

int service_listen(struct engine *engine, const char *namespace, int *ret_fd, struct error *error)
{
    int r = sandbox_listen(local_of(engine)->sandbox, namespace, API_PORT, ret_fd, error);
    if (r < 0 && r != -ERROR_EXISTS)
        r = error_set(error, ERROR_UNAVAILABLE, NULL, "the sandbox of %s cannot be listened in yet", namespace);
    return r;
}
