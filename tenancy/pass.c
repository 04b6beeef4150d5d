/* What is every step of a pass over a profile made of? */
#include "tenancy/internal.h"

#include "base/clock.h"

void pass_blocked(struct pass *pass, const char *phase, const char *reason, const char *format, ...)
{
    if (*pass->reason)
        return;
    pass->phase = phase;
    snprintf(pass->reason, sizeof(pass->reason), "%s", reason);
    va_list args;
    va_start(args, format);
    vsnprintf(pass->message, sizeof(pass->message), format, args);
    va_end(args);
}

static const char *namespace_of(const struct pass *pass, enum engine_kind kind)
{
    return engine_kinds[kind].namespaced ? pass->name : NULL;
}

cJSON *pass_object(const struct pass *pass, enum engine_kind kind, const char *name)
{
    cJSON *object = json_object();
    json_set_text(object, "apiVersion", engine_api_version(kind));
    json_set_text(object, "kind", engine_kinds[kind].kind);
    cJSON *metadata = json_object_in(object, "metadata");
    json_set_text(metadata, "name", name);
    cJSON *labels = json_object_in(metadata, "labels");
    json_set_text(labels, TENANCY_LABEL, pass->name);
    json_set_text(labels, TENANCY_MANAGED_BY, TENANCY_US);
    return object;
}

int pass_get(const struct pass *pass, enum engine_kind kind, const char *name, cJSON **ret, struct error *error)
{
    int r = engine_get(pass->tenancy->engine, kind, namespace_of(pass, kind), name, ret, error);
    if (r == -ERROR_NOT_FOUND) {
        *ret = NULL;
        return 0;
    }
    return r;
}

/* In an adopted namespace it is remembered that the object was there before, so that it also stays. */
static int pass_take_over(const struct pass *pass, enum engine_kind kind, const char *name, struct error *error)
{
    AUTO_JSON cJSON *patch = json_object();
    AUTO_JSON cJSON *written = NULL;
    cJSON *metadata = json_object_in(patch, "metadata");
    json_set_text(json_object_in(metadata, "labels"), TENANCY_MANAGED_BY, TENANCY_US);
    if (pass->adopted)
        json_set_text(json_object_in(metadata, "annotations"), TENANCY_ADOPTED, "true");
    return engine_patch(pass->tenancy->engine, kind, namespace_of(pass, kind), name, ENGINE_SPEC, ENGINE_PATCH_MERGE,
                        patch, &written, error);
}

int pass_apply(const struct pass *pass, enum engine_kind kind, const cJSON *wanted, bool *ret_written,
               struct error *error)
{
    struct engine *engine = pass->tenancy->engine;
    const char *name = json_text_or("", wanted, "metadata", "name", NULL);
    int r = engine_apply(engine, kind, namespace_of(pass, kind), wanted, ret_written, error);
    if (r == -ERROR_EXISTS) {
        r = pass_take_over(pass, kind, name, error);
        if (r >= 0)
            r = engine_apply(engine, kind, namespace_of(pass, kind), wanted, ret_written, error);
    }
    return r < 0 ? r : 0;
}

int pass_patch_profile(struct pass *pass, const cJSON *patch, struct error *error)
{
    cJSON *written = NULL;
    int r = engine_patch(pass->tenancy->engine, KIND_PROFILE, NULL, pass->name, ENGINE_SPEC, ENGINE_PATCH_MERGE, patch,
                         &written, error);
    if (r < 0)
        return r;
    cJSON_Delete(pass->profile);
    pass->profile = written;
    return 0;
}

int tenancy_report(struct tenancy *tenancy, const cJSON *profile, const char *phase, const char *reason,
                   const char *message, struct error *error)
{
    const cJSON *old = json_member(profile, "status");
    cJSON *status = json_object();
    json_set_text(status, "phase", phase);
    json_set_text(status, "reason", reason);
    json_set_text(status, "message", message);
    status_condition(status, old, "Ready", strcmp(phase, "Ready") == 0, reason, message, clock_wall_ms());
    int64_t generation = 0;
    if (json_i64(json_at(profile, "metadata", "generation", NULL), &generation)) {
        json_set_i64(status, "observedGeneration", generation);
        json_set_i64(json_member(status, "conditions")->child, "observedGeneration", generation);
    }
    bool changed = strcmp(json_text_or("", old, "phase", NULL), phase) != 0 ||
                   strcmp(json_text_or("", old, "reason", NULL), reason) != 0;
    int r = status_write(tenancy->engine, KIND_PROFILE, profile, status, error);
    if (r == 1 && changed && strcmp(phase, "Failed") == 0)
        engine_event(tenancy->engine, profile, "Warning", reason, "%s", message);
    return r < 0 ? r : 0;
}

bool tenancy_has_finalizer(const cJSON *object, const char *name)
{
    const cJSON *finalizers = json_at(object, "metadata", "finalizers", NULL);
    for (const cJSON *item = finalizers ? finalizers->child : NULL; item; item = item->next)
        if (cJSON_IsString(item) && strcmp(item->valuestring, name) == 0)
            return true;
    return false;
}
