/* Which kinds are served, as Kubernetes clients ask before anything else? */
#include "controlplane/handlers.h"
#include "controlplane/computed.h"
#include "controlplane/kinds.h"
#include "controlplane/objects.h"

static int answer(const struct call *call, cJSON *value)
{
    call_json(call, 200, value);
    cJSON_Delete(value);
    return 0;
}

static cJSON *typed(const char *kind)
{
    cJSON *value = json_object();
    json_set_text(value, "kind", kind);
    json_set_text(value, "apiVersion", "v1");
    return value;
}

int discovery_core(struct call *call, struct error *error)
{
    if (engine_forwards(call->server->engine))
        return discovery_cluster(call, error);
    cJSON *value = typed("APIVersions");
    json_push_text(json_set(value, "versions", json_array()), "v1");
    cJSON *address = json_push(json_set(value, "serverAddressByClientCIDRs", json_array()), json_object());
    json_set_text(address, "clientCIDR", "0.0.0.0/0");
    json_set_text(address, "serverAddress",
                  arena_text_n(call->request->arena, call->request->host.p, call->request->host.n));
    return answer(call, value);
}

static cJSON *version_of(const struct engine_kind_info *info)
{
    cJSON *version = json_object();
    AUTO_FREE char *text = memory_format("%s/%s", info->group, info->version);
    json_set_text(version, "groupVersion", text);
    json_set_text(version, "version", info->version);
    return version;
}

static bool has_version(const cJSON *versions, const char *version)
{
    const cJSON *other;
    cJSON_ArrayForEach(other, versions)
    {
        if (strcmp(json_text(other, "version", NULL), version) == 0)
            return true;
    }
    return false;
}

/* <info> stands for it: its version is the preferred one. */
static cJSON *group_of(struct engine *engine, const struct engine_kind_info *info)
{
    cJSON *group = json_object();
    json_set_text(group, "name", info->group);
    cJSON *versions = json_set(group, "versions", json_array());
    for (size_t i = 0; i < KIND_COUNT; i++) {
        if (strcmp(engine_kinds[i].group, info->group) == 0 && engine_has(engine, (enum engine_kind)i) &&
            !has_version(versions, engine_kinds[i].version))
            json_push(versions, version_of(&engine_kinds[i]));
    }
    if (!versions->child)
        json_push(versions, version_of(info));
    json_set(group, "preferredVersion", json_copy(versions->child));
    return group;
}

/* The kind that stands for its group: the first of it in the table that is served. NULL for the core group and for
 * later ones. */
static const struct engine_kind_info *first_of_group(struct engine *engine, size_t index)
{
    const struct engine_kind_info *info = &engine_kinds[index];
    if (!*info->group || !engine_has(engine, (enum engine_kind)index))
        return NULL;
    for (size_t i = 0; i < index; i++) {
        if (strcmp(engine_kinds[i].group, info->group) == 0 && engine_has(engine, (enum engine_kind)i))
            return NULL;
    }
    return info;
}

/* The one group of which all kinds are computed; they have one version. */
static const struct engine_kind_info *computed_group(void)
{
    size_t i = 0;
    while (!*computed_kinds[i].info.group)
        i++;
    return &computed_kinds[i].info;
}

int discovery_groups(struct call *call, struct error *error)
{
    if (engine_forwards(call->server->engine))
        return discovery_cluster(call, error);
    cJSON *value = typed("APIGroupList"), *groups = json_set(value, "groups", json_array());
    for (size_t i = 0; i < KIND_COUNT; i++) {
        const struct engine_kind_info *info = first_of_group(call->server->engine, i);
        if (info)
            json_push(groups, group_of(call->server->engine, info));
    }
    json_push(groups, group_of(call->server->engine, computed_group()));
    return answer(call, value);
}

int discovery_group(struct call *call, struct error *error)
{
    if (engine_forwards(call->server->engine))
        return discovery_cluster(call, error);
    const char *group = call_parameter(call, "group");
    for (size_t i = 0; i <= KIND_COUNT; i++) {
        const struct engine_kind_info *info =
            i < KIND_COUNT ? first_of_group(call->server->engine, i) : computed_group();
        if (!info || strcmp(info->group, group) != 0)
            continue;
        cJSON *value = group_of(call->server->engine, info);
        json_set_text(value, "kind", "APIGroup");
        json_set_text(value, "apiVersion", "v1");
        return answer(call, value);
    }
    return error_set(error, ERROR_NOT_FOUND, NULL, "%s", error_text(ERROR_NOT_FOUND));
}

static void add_resource(cJSON *resources, enum engine_kind kind, const char *part)
{
    const struct engine_kind_info *info = &engine_kinds[kind];
    AUTO_FREE char *name = memory_format("%s%s%s", info->plural, *part ? "/" : "", part);
    cJSON *resource = json_push(resources, json_object());
    json_set_text(resource, "name", name);
    json_set_text(resource, "singularName", *part ? "" : info->singular);
    json_set_bool(resource, "namespaced", info->namespaced);
    json_set_text(resource, "kind", info->kind);
    cJSON *verbs = json_set(resource, "verbs", json_array());
    json_push_text(verbs, "get");
    if (*part && strcmp(part, "log") != 0 && strcmp(part, "status") != 0)
        json_push_text(verbs, "create"); /* what is entered: a POST with an upgrade in older clients */
    if (*part)
        return;
    json_push_text(verbs, "list");
    json_push_text(verbs, "watch");
    if (kind_rules[kind].writes & KIND_CREATE)
        json_push_text(verbs, "create");
    if (kind_rules[kind].writes & KIND_CHANGE) {
        json_push_text(verbs, "update");
        json_push_text(verbs, "patch");
    }
    if (kind_rules[kind].writes & KIND_DELETE)
        json_push_text(verbs, "delete");
    if (*info->short_name)
        json_push_text(json_set(resource, "shortNames", json_array()), info->short_name);
    if (kind_rules[kind].in_all)
        json_push_text(json_set(resource, "categories", json_array()), "all");
}

static void add_scale(cJSON *resources, const struct engine_kind_info *info)
{
    static const char *const verbs[] = {"get", "patch", "update"};
    AUTO_FREE char *name = memory_format("%s/scale", info->plural);
    cJSON *resource = json_push(resources, json_object());
    json_set_text(resource, "name", name);
    json_set_text(resource, "singularName", "");
    json_set_bool(resource, "namespaced", true);
    json_set_text(resource, "group", "autoscaling");
    json_set_text(resource, "version", "v1");
    json_set_text(resource, "kind", "Scale");
    cJSON *list = json_set(resource, "verbs", json_array());
    for (size_t i = 0; i < COUNT_OF(verbs); i++)
        json_push_text(list, verbs[i]);
}

/* True if it is of that group and version, and was added. */
static bool add_computed(cJSON *resources, const struct engine_kind_info *info, const char *group, const char *version)
{
    if (strcmp(info->group, group) != 0 || (*group && strcmp(info->version, version) != 0))
        return false;
    cJSON *resource = json_push(resources, json_object());
    json_set_text(resource, "name", info->plural);
    json_set_text(resource, "singularName", info->singular);
    json_set_bool(resource, "namespaced", info->namespaced);
    json_set_text(resource, "kind", info->kind);
    cJSON *verbs = json_set(resource, "verbs", json_array());
    json_push_text(verbs, "get");
    json_push_text(verbs, "list");
    if (*info->short_name)
        json_push_text(json_set(resource, "shortNames", json_array()), info->short_name);
    return true;
}

int discovery_resources(struct call *call, struct error *error)
{
    if (engine_forwards(call->server->engine))
        return discovery_cluster(call, error);
    const char *group = call_parameter(call, "group"), *version = call_parameter(call, "version");
    AUTO_JSON cJSON *value = typed("APIResourceList");
    cJSON *resources = json_set(value, "resources", json_array());
    const char *group_version = NULL;
    AUTO_FREE char *asked = memory_format("%s%s%s", group, *group ? "/" : "", *group ? version : "v1");
    for (size_t i = 0; i < computed_kind_count; i++)
        if (add_computed(resources, &computed_kinds[i].info, group, version))
            group_version = asked;
    for (size_t i = 0; i < KIND_COUNT; i++) {
        const struct engine_kind_info *info = &engine_kinds[i];
        if (strcmp(info->group, group) != 0 || (*group && strcmp(info->version, version) != 0) ||
            !engine_has(call->server->engine, (enum engine_kind)i))
            continue;
        group_version = engine_api_version((enum engine_kind)i);
        add_resource(resources, (enum engine_kind)i, "");
        if (kind_rules[i].has_status)
            add_resource(resources, (enum engine_kind)i, "status");
        if (scale_is_served((enum engine_kind)i))
            add_scale(resources, info);
        if (i == KIND_POD) {
            add_resource(resources, KIND_POD, "log");
            add_resource(resources, KIND_POD, "exec");
            add_resource(resources, KIND_POD, "attach");
            add_resource(resources, KIND_POD, "portforward");
        }
    }
    if (!group_version)
        return error_set(error, ERROR_NOT_FOUND, NULL, "%s", error_text(ERROR_NOT_FOUND));
    json_set_text(value, "groupVersion", group_version);
    call_json(call, 200, value);
    return 0;
}

/* The Kubernetes version whose conventions the workload half follows; clients compare major and minor. */
int discovery_version(struct call *call, struct error *error)
{
    if (engine_forwards(call->server->engine))
        return discovery_cluster(call, error);
    cJSON *value = json_object();
    json_set_text(value, "major", "1");
    json_set_text(value, "minor", "34");
    json_set_text(value, "gitVersion", "v1.34.0+atelier-" ATELIER_VERSION);
    json_set_text(value, "platform", "linux/amd64");
    return answer(call, value);
}
