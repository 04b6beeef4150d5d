/* How much may a profile use, and what does a pod get that does not say? */
#include "tenancy/internal.h"

/* Of a container that names none: a quota refuses pods without requests, and so does it without limits if it limits
 * those. Small, because what is requested is held. */
#define ALLOWANCE_REQUEST_CPU "100m"
#define ALLOWANCE_REQUEST_MEMORY "256Mi"
#define ALLOWANCE_LIMIT_CPU "1"
#define ALLOWANCE_LIMIT_MEMORY "2Gi"

/* Applying adds and changes; what the profile limits no longer has to be taken out by name. */
static int quota_trim(struct pass *pass, struct error *error)
{
    AUTO_JSON cJSON *quota = NULL;
    AUTO_JSON cJSON *patch = json_object();
    AUTO_JSON cJSON *written = NULL;
    int r = pass_get(pass, KIND_RESOURCEQUOTA, TENANCY_QUOTA, &quota, error);
    const cJSON *hard = json_at(quota, "spec", "hard", NULL);
    cJSON *none = json_object_in(json_object_in(patch, "spec"), "hard");
    for (const cJSON *item = hard ? hard->child : NULL; item; item = item->next) {
        if (!json_member(pass->quota, item->string))
            json_set(none, item->string, cJSON_CreateNull());
    }
    if (r < 0 || !none->child)
        return r;
    return engine_patch(pass->tenancy->engine, KIND_RESOURCEQUOTA, pass->name, TENANCY_QUOTA, ENGINE_SPEC,
                        ENGINE_PATCH_MERGE, patch, &written, error);
}

int pass_quota(struct pass *pass, struct error *error)
{
    AUTO_JSON cJSON *wanted = pass_object(pass, KIND_RESOURCEQUOTA, TENANCY_QUOTA);
    json_set(json_object_in(wanted, "spec"), "hard", json_copy(pass->quota));
    int r = pass_apply(pass, KIND_RESOURCEQUOTA, wanted, NULL, error);
    return r == 0 && pass->new_spec ? quota_trim(pass, error) : r;
}

/* No default limit unless the quota asks for one: it would be below what a container with requests only asks for. */
int pass_defaults(struct pass *pass, struct error *error)
{
    if (!engine_has(pass->tenancy->engine, KIND_LIMITRANGE))
        return 0;
    AUTO_JSON cJSON *wanted = pass_object(pass, KIND_LIMITRANGE, TENANCY_DEFAULTS);
    cJSON *range = json_push(json_set(json_object_in(wanted, "spec"), "limits", json_array()), json_object());
    json_set_text(range, "type", "Container");
    json_set_text(json_object_in(range, "defaultRequest"), "cpu", ALLOWANCE_REQUEST_CPU);
    json_set_text(json_object_in(range, "defaultRequest"), "memory", ALLOWANCE_REQUEST_MEMORY);
    if (json_member(pass->quota, "limits.cpu"))
        json_set_text(json_object_in(range, "default"), "cpu", ALLOWANCE_LIMIT_CPU);
    if (json_member(pass->quota, "limits.memory"))
        json_set_text(json_object_in(range, "default"), "memory", ALLOWANCE_LIMIT_MEMORY);
    return pass_apply(pass, KIND_LIMITRANGE, wanted, NULL, error);
}
