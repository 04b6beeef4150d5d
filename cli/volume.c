/* Which volumes does a profile have, and who mounts them? */
#include "cli/client.h"
#include "cli/object.h"
#include "cli/verbs.h"

#define SIZE_DEFAULT "10Gi"

int verb_volume_create(struct call *call, struct error *error)
{
    AUTO_JSON cJSON *object = json_object();
    json_set_text(object, "apiVersion", "v1");
    json_set_text(object, "kind", "PersistentVolumeClaim");
    json_set_text(json_object_in(object, "metadata"), "name", call->arguments[0]);
    cJSON *spec = json_object_in(object, "spec");
    json_push_text(json_set(spec, "accessModes", json_array()), "ReadWriteOnce");
    json_set_text(json_object_in(json_object_in(spec, "resources"), "requests"), "storage",
                  call_option_or(call, "size", SIZE_DEFAULT));
    return create_object(call, resource_by_word("pvc"), object, error);
}

int verb_volume_delete(struct call *call, struct error *error)
{
    return delete_objects(call, "persistentvolumeclaims", error);
}

/* --- who mounts what ---------------------------------------------------------------------------------------------- */

static bool is_beside(const cJSON *pod, const cJSON *claim)
{
    return strcmp(json_text_or("", pod, "metadata", "namespace", NULL),
                  json_text_or("", claim, "metadata", "namespace", NULL)) == 0;
}

static bool pod_mounts(const cJSON *pod, const cJSON *claim)
{
    const char *name = json_text_or("", claim, "metadata", "name", NULL);
    const cJSON *volume;
    cJSON_ArrayForEach(volume, json_at(pod, "spec", "volumes", NULL))
    {
        if (strcmp(json_text_or("", volume, "persistentVolumeClaim", "claimName", NULL), name) == 0)
            return is_beside(pod, claim);
    }
    return false;
}

/* "notebook/nb1", "raycluster/example-cluster", else the pod. */
static char *user_of(const cJSON *pod)
{
    const cJSON *labels = json_at(pod, "metadata", "labels", NULL);
    const char *notebook = json_text(labels, "notebook-name", NULL), *ray = json_text(labels, "ray.io/cluster", NULL);
    return memory_format("%s/%s",
                         notebook ? "notebook"
                         : ray    ? "raycluster"
                                  : "pod",
                         notebook ? notebook
                         : ray    ? ray
                                  : json_text_or("", pod, "metadata", "name", NULL));
}

static void add_users(const cJSON *pods, const cJSON *claim, cJSON *item)
{
    cJSON *users = json_set(item, "usedBy", json_array());
    const cJSON *pod, *seen;
    cJSON_ArrayForEach(pod, pods)
    {
        AUTO_FREE char *user = user_of(pod);
        bool known = !pod_mounts(pod, claim);
        cJSON_ArrayForEach(seen, users) known = known || strcmp(seen->valuestring, user) == 0;
        if (!known)
            json_push_text(users, user);
    }
}

static void volume_row(const cJSON *item, struct table *table)
{
    AUTO_BUFFER struct buffer users = {0};
    const cJSON *user;
    cJSON_ArrayForEach(user, json_member(item, "usedBy"))
        buffer_add_format(&users, "%s%s", users.n ? ", " : "", user->valuestring);
    table_add(table, json_text_or("", item, "name", NULL));
    table_add(table, json_text_or("", item, "status", NULL));
    table_add(table, json_text_or("", item, "size", NULL));
    table_add(table, users.p);
}

static void placed_row(const cJSON *item, struct table *table)
{
    table_add(table, json_text_or("", item, "namespace", NULL));
    volume_row(item, table);
}

static cJSON *volume_of(const cJSON *claim, const cJSON *pods)
{
    cJSON *item = json_object();
    const char *name = json_text_or("", claim, "metadata", "name", NULL);
    const char *asked = json_text_or("", claim, "spec", "resources", "requests", "storage", NULL);
    bool going = json_text(claim, "metadata", "deletionTimestamp", NULL) != NULL;
    json_set_text(item, "name", name);
    json_set_text(item, "namespace", json_text(claim, "metadata", "namespace", NULL));
    json_set_text(item, "status", going ? "Terminating" : json_text_or("Pending", claim, "status", "phase", NULL));
    json_set_text(item, "size", json_text_or(asked, claim, "status", "capacity", "storage", NULL));
    add_users(pods, claim, item);
    return item;
}

static int read_all(struct call *call, const char *word, cJSON **ret, struct error *error)
{
    const char *namespace = NULL;
    int failed = call_flag(call, "all-namespaces") ? 0 : call_namespace(call, &namespace, error);
    if (failed)
        return failed;
    AUTO_FREE char *path = resource_path(resource_by_word(word), namespace, NULL);
    return client_json(call, "GET", path, NULL, ret, error);
}

static int read_volumes(struct call *call, void *of, cJSON **ret, struct error *error)
{
    AUTO_JSON cJSON *claims = NULL;
    AUTO_JSON cJSON *pods = NULL;
    const cJSON *claim;
    (void)of;
    int failed = read_all(call, "pvc", &claims, error);
    if (!failed)
        failed = read_all(call, "pods", &pods, error);
    if (failed)
        return failed;
    *ret = json_object();
    cJSON *items = json_set(*ret, "items", json_array());
    cJSON_ArrayForEach(claim, json_member(claims, "items"))
        json_push(items, volume_of(claim, json_member(pods, "items")));
    return 0;
}

int verb_volume_list(struct call *call, struct error *error)
{
    static const char *const headers[] = {"NAMESPACE", "NAME", "STATUS", "SIZE", "USED BY", NULL};
    static const struct listing everywhere = {headers, placed_row, "name", false};
    static const struct listing one_profile = {headers + 1, volume_row, "name", false};
    const struct listing *listing = call_flag(call, "all-namespaces") ? &everywhere : &one_profile;
    return list_made(call, read_volumes, NULL, listing, error);
}
