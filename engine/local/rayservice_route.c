/* Where do the names of a RayService lead? */
#include "engine/local/raypods.h"
#include "engine/local/rayservice.h"

static cJSON *head_ports(void)
{
    static const struct {
        const char *name;
        enum ray_port port;
    } ports[] = {{"serve", RAY_SERVE},
                 {"serve-grpc", RAY_SERVE_GRPC},
                 {"dashboard", RAY_DASHBOARD},
                 {"client", RAY_CLIENT},
                 {"gcs-server", RAY_GCS}};
    cJSON *list = json_array();
    for (size_t i = 0; i < COUNT_OF(ports); i++) {
        cJSON *port = json_push(list, json_object());
        json_set_text(port, "name", ports[i].name);
        json_set_i64(port, "port", ports[i].port);
        json_set_i64(port, "targetPort", ports[i].port);
        json_set_text(port, "protocol", "TCP");
    }
    return list;
}

/* The proxy of every node knows all replicas: the head's is enough, and is always there. */
static cJSON *service_spec(const struct object *owner, const struct object *cluster, bool head)
{
    const cJSON *given = json_at(owner->body, "spec", "serveService", "spec", "ports", NULL);
    cJSON *spec = json_object();
    json_set_text(json_object_in(spec, "selector"), RAY_LABEL_CLUSTER, cluster->name);
    json_set_text(json_object_in(spec, "selector"), RAY_LABEL_TYPE, "head");
    json_set_text(spec, "type", "ClusterIP");
    json_set_text(spec, "clusterIP", "None");
    cJSON *ports = json_set(spec, "ports", !head && given ? json_copy(given) : head_ports());
    while (!head && !given && cJSON_GetArraySize(ports) > 1)
        cJSON_DeleteItemFromArray(ports, 1);
    return spec;
}

static cJSON *new_service(const struct object *owner, const char *name, bool head)
{
    static const char *const given[] = {"labels", "annotations"};
    cJSON *body = json_object();
    cJSON *metadata = json_object_in(body, "metadata");
    for (size_t i = 0; !head && i < COUNT_OF(given); i++) {
        const cJSON *part = json_at(owner->body, "spec", "serveService", "metadata", given[i], NULL);
        if (part)
            json_set(metadata, given[i], json_copy(part));
    }
    cJSON *labels = json_object_in(metadata, "labels");
    json_set_text(metadata, "name", name);
    json_set_text(labels, "ray.io/originated-from-cr-name", owner->name);
    json_set_text(labels, "ray.io/originated-from-crd", "RayService");
    if (!head)
        json_set_text(labels, "ray.io/serve", name);
    object_own(body, owner);
    return body;
}

static int put_spec(void *context, const cJSON *current, cJSON **ret, struct error *error)
{
    (void)error;
    *ret = json_copy(current);
    json_set(*ret, "spec", json_copy(context));
    return 0;
}

static int lead_one(struct local *local, const struct object *owner, const struct object *cluster, bool head,
                    struct error *error)
{
    AUTO_FREE char *name = memory_format("%s-%s", owner->name, head ? "head-svc" : "serve-svc");
    AUTO_JSON cJSON *spec = service_spec(owner, cluster, head);
    AUTO_OBJECT struct object *there = objects_find(local->objects, KIND_SERVICE, owner->namespace, name);
    if (there && !object_controlled_by(there, owner->uid))
        return error_set(error, ERROR_EXISTS, NULL, "service %s exists and belongs to something else", name);
    if (there && json_equal(json_member(there->body, "spec"), spec))
        return 0;
    if (there)
        return objects_change_seen(local->objects, there, ENGINE_SPEC, put_spec, spec, NULL, error);
    cJSON *body = new_service(owner, name, head);
    json_set(body, "spec", TAKE_POINTER(spec));
    return objects_create(local->objects, KIND_SERVICE, owner->namespace, body, NULL, error);
}

int rayservice_lead(struct local *local, const struct object *service, const struct object *cluster,
                    struct error *error)
{
    int r = lead_one(local, service, cluster, false, error);
    return r < 0 ? r : lead_one(local, service, cluster, true, error);
}
