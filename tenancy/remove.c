/* How is a deleted profile taken down, step by step, so that a crash anywhere resumes? */
#include "tenancy/internal.h"

#include "base/log.h"

#define REMOVE_NAMES_MAX 3 /* named in the message; more are counted */

/* "2 pods (a, b)" of what still exists in the namespace; adds nothing if there is none. */
static void remaining_add(struct tenancy *tenancy, const char *namespace, enum engine_kind kind, const char *noun,
                          struct buffer *text)
{
    AUTO_JSON cJSON *list = NULL;
    if (engine_list(tenancy->engine, kind, namespace, NULL, &list, NULL) < 0)
        return;
    const cJSON *items = json_member(list, "items");
    int count = items ? cJSON_GetArraySize(items) : 0;
    if (count == 0)
        return;
    buffer_add_format(text, "%s%d %s%s (", text->n ? ", " : "", count, noun, count == 1 ? "" : "s");
    int named = 0;
    for (const cJSON *item = items->child; item && named < REMOVE_NAMES_MAX; item = item->next, named++)
        buffer_add_format(text, "%s%.63s", named ? ", " : "", json_text_or("?", item, "metadata", "name", NULL));
    buffer_add_text(text, count > named ? ", …)" : ")");
}

static int64_t remove_wait(struct tenancy *tenancy, const cJSON *profile, const char *namespace)
{
    AUTO_BUFFER struct buffer text = {0};
    remaining_add(tenancy, namespace, KIND_POD, "pod", &text);
    remaining_add(tenancy, namespace, KIND_CLAIM, "volume", &text);
    AUTO_FREE char *message = text.n ? memory_format("waiting for %s to be gone", text.p)
                                     : memory_text("waiting for the namespace to be gone");
    struct error error = {0};
    int r = tenancy_report(tenancy, profile, "Terminating", "ContentRemaining", message, &error);
    if (r < 0 && r != -ERROR_CONFLICT && r != -ERROR_NOT_FOUND)
        return r;
    return TENANCY_POLL_MS;
}

static int remove_finalizer(struct tenancy *tenancy, const cJSON *profile, struct error *error)
{
    AUTO_JSON cJSON *patch = json_object();
    AUTO_JSON cJSON *written = NULL;
    cJSON *metadata = json_object_in(patch, "metadata");
    json_set_text(metadata, "resourceVersion", json_text(profile, "metadata", "resourceVersion", NULL));
    cJSON *left = json_set(metadata, "finalizers", json_array());
    const cJSON *finalizers = json_at(profile, "metadata", "finalizers", NULL);
    bool found = false;
    for (const cJSON *item = finalizers ? finalizers->child : NULL; item; item = item->next) {
        if (cJSON_IsString(item) && strcmp(item->valuestring, TENANCY_FINALIZER) == 0)
            found = true;
        else
            json_push(left, json_copy(item));
    }
    if (!found)
        return 0;
    return engine_patch(tenancy->engine, KIND_PROFILE, NULL, json_text_or("", profile, "metadata", "name", NULL),
                        ENGINE_SPEC, ENGINE_PATCH_MERGE, patch, &written, error);
}

/* Namespace first, with all that runs in it; then the grants; the object last. Each step is skipped once it is done,
 * and the name stays taken until the very end, so that nobody can claim it while something of the old owner is left. */
static int64_t remove_steps(struct tenancy *tenancy, const cJSON *profile, const char *name, struct error *error)
{
    AUTO_JSON cJSON *namespace = NULL;
    int r = engine_get(tenancy->engine, KIND_NAMESPACE, NULL, name, &namespace, error);
    if (r < 0 && r != -ERROR_NOT_FOUND)
        return r;
    if (r == 0 && tenancy_owns_namespace(namespace, profile)) {
        if (!json_text(namespace, "metadata", "deletionTimestamp", NULL)) {
            r = engine_delete(tenancy->engine, KIND_NAMESPACE, NULL, name, NULL, error);
            if (r < 0 && r != -ERROR_NOT_FOUND)
                return r;
        }
        return remove_wait(tenancy, profile, name);
    }
    r = auth_profile_release(tenancy->auth, name, error);
    if (r < 0 && r != -ERROR_NOT_FOUND)
        return r;
    r = remove_finalizer(tenancy, profile, error);
    if (r == -ERROR_CONFLICT)
        return TENANCY_POLL_MS / 10;
    return r == -ERROR_NOT_FOUND ? 0 : r;
}

int64_t tenancy_remove(struct tenancy *tenancy, const cJSON *profile)
{
    const char *name = json_text_or("", profile, "metadata", "name", NULL);
    struct error error = {0};
    int64_t r = remove_steps(tenancy, profile, name, &error);
    if (r < 0) {
        log_line(LOG_WARN, "profile not removed yet", LOG_TEXT("profile", name), LOG_FAULT(&error));
        AUTO_FREE char *message = memory_format("%.400s; it is tried again", error.message);
        (void)tenancy_report(tenancy, profile, "Terminating", error_reason(error.code), message, NULL);
    }
    return r;
}
