/* Which objects have lost their owner? */
#include "engine/local/reconcile.h"

static bool owner_kind(const cJSON *owner, enum engine_kind *ret)
{
    struct slice version = slice_of(json_text_or("", owner, "apiVersion", NULL));
    const char *slash = version.n ? memchr(version.p, '/', version.n) : NULL;
    struct slice group = {version.p, slash ? (size_t)(slash - version.p) : 0};
    return engine_kind_by_name(group, slice_of(json_text_or("", owner, "kind", NULL)), ret);
}

/* An object goes when it names owners and not one of them is there. An owner of a kind that is not served here might
 * be. */
static bool is_garbage(struct local *local, const struct object *object)
{
    const cJSON *owners = json_at(object->body, "metadata", "ownerReferences", NULL), *owner;
    if (cJSON_GetArraySize(owners) == 0 || object_terminating(object))
        return false;
    cJSON_ArrayForEach(owner, owners)
    {
        enum engine_kind kind;
        if (!owner_kind(owner, &kind))
            return false;
        if (objects_uid_exists(local->objects, kind, object->namespace, json_text_or("", owner, "name", NULL),
                               json_text_or("", owner, "uid", NULL)))
            return false;
    }
    return true;
}

static int collect(struct local *local, enum engine_kind kind, const char *namespace, struct error *error)
{
    AUTO_OBJECT_LIST struct object_list list = {0};
    int result = 0;
    objects_select(local->objects, kind, namespace, NULL, &list);
    for (size_t i = 0; i < list.count; i++) {
        const struct object *object = list.items[i];
        if (!is_garbage(local, object))
            continue;
        int r = objects_delete(local->objects, kind, object->namespace, object->name, object->uid, NULL, error);
        if (r < 0 && r != -ERROR_NOT_FOUND && r != -ERROR_CONFLICT)
            result = r;
    }
    return result;
}

/* <namespace> "": a cluster-scoped owner may have gone, whose dependents can be anywhere. */
int64_t garbage_reconcile(struct local *local, const char *namespace, const char *name, struct error *error)
{
    int result = 0;
    (void)name;
    for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
        if (kind == KIND_EVENT || (namespace[0] && !engine_kinds[kind].namespaced))
            continue;
        int r = collect(local, (enum engine_kind)kind, namespace[0] ? namespace : NULL, error);
        result = r < 0 ? r : result;
    }
    return result;
}
