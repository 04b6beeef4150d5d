/* How does a RayJob or RayService get, and get rid of, a RayCluster of its own? */
#include "engine/local/rayowned.h"

#include "base/random.h"
#include "engine/local/raypods.h"
#include "engine/local/status.h"

char *ray_owned_name(const struct object *owner)
{
    char suffix[6];
    random_suffix(suffix);
    return memory_format("%s-%s", owner->name, suffix);
}

int ray_owned_make(struct local *local, const struct object *owner, const char *name, const cJSON *spec,
                   struct error *error)
{
    AUTO_OBJECT struct object *there = objects_find(local->objects, KIND_RAYCLUSTER, owner->namespace, name);
    if (there && object_controlled_by(there, owner->uid))
        return 0;
    if (there)
        return error_set(error, ERROR_EXISTS, NULL, "the RayCluster %s is there and belongs to something else", name);
    cJSON *body = json_object();
    cJSON *metadata = json_object_in(body, "metadata");
    json_set_text(metadata, "name", name);
    json_set_text(json_object_in(metadata, "labels"), "ray.io/originated-from-cr-name", owner->name);
    json_set_text(json_object_in(metadata, "labels"), "ray.io/originated-from-crd", engine_kinds[owner->kind].kind);
    object_own(body, owner);
    json_set(body, "spec", json_copy(spec));
    int r = objects_create(local->objects, KIND_RAYCLUSTER, owner->namespace, body, NULL, error);
    if (r == 0)
        engine_event(&local->base, owner->body, "Normal", "CreatedRayCluster", "created RayCluster %s", name);
    return r == -ERROR_EXISTS ? 0 : r; /* the next pass looks whose it is */
}

static bool has_pods(struct local *local, const char *namespace, const char *cluster)
{
    AUTO_OBJECT_LIST struct object_list pods = {0};
    objects_select(local->objects, KIND_POD, namespace, NULL, &pods);
    for (size_t i = 0; i < pods.count; i++) {
        const cJSON *owner;
        cJSON_ArrayForEach(owner, json_at(pods.items[i]->body, "metadata", "ownerReferences", NULL))
        {
            if (strcmp(json_text_or("", owner, "kind", NULL), "RayCluster") == 0 &&
                strcmp(json_text_or("", owner, "name", NULL), cluster) == 0)
                return true;
        }
    }
    return false;
}

int ray_owned_remove(struct local *local, const struct object *owner, const char *name, const char *why, bool *ret_gone,
                     struct error *error)
{
    AUTO_OBJECT struct object *cluster = objects_find(local->objects, KIND_RAYCLUSTER, owner->namespace, name);
    bool ours = cluster && object_controlled_by(cluster, owner->uid);
    *ret_gone = !ours && !has_pods(local, owner->namespace, name);
    if (!ours || object_terminating(cluster))
        return 0;
    int r = objects_delete(local->objects, KIND_RAYCLUSTER, owner->namespace, name, cluster->uid, NULL, error);
    if (r == 0)
        engine_event(&local->base, owner->body, "Normal", "DeletedRayCluster", "deleted RayCluster %s: %s", name, why);
    return r == -ERROR_NOT_FOUND ? 0 : r;
}

bool ray_cluster_usable(const struct object *cluster)
{
    return json_condition_true(cluster->body, "HeadPodReady") &&
           json_condition_true(cluster->body, "RayClusterProvisioned");
}

const char *ray_cluster_trouble(const struct object *cluster)
{
    static const char *const types[] = {"ReplicaFailure", "RayClusterSuspended", "HeadPodReady",
                                        "RayClusterProvisioned"};
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        const cJSON *condition = json_condition(cluster->body, types[i]);
        bool bad = condition && strcmp(json_text_or("", condition, "status", NULL), i < 2 ? "True" : "False") == 0;
        if (bad)
            return json_text_or(json_text_or("", condition, "reason", NULL), condition, "message", NULL);
    }
    return "the cluster is starting";
}

char *ray_dashboard_url(const struct object *cluster)
{
    AUTO_FREE char *service = ray_service_name(cluster);
    return memory_format("%s.%s.svc.cluster.local:%u", service, cluster->namespace,
                         (unsigned)ray_head_port(cluster, "dashboard-port", RAY_DASHBOARD));
}
