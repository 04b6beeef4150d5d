/* Has a PersistentVolumeClaim its volume, of the size it asks for? */
#include "engine/local/events.h"
#include "engine/local/reconcile.h"
#include "engine/local/status.h"

#define ANNOTATION_ENFORCED "atelier.dev/size-enforced"

static bool claim_wanted_bytes(const cJSON *claim, int64_t *ret)
{
    const char *text = json_text(claim, "spec", "resources", "requests", "storage", NULL);
    return text && quantity_parse_bytes(slice_of(text), ret);
}

static bool mounts_claim(const struct object *pod, const char *claim)
{
    const cJSON *volume;
    cJSON_ArrayForEach(volume, json_at(pod->body, "spec", "volumes", NULL))
    {
        if (strcmp(json_text_or("", volume, "persistentVolumeClaim", "claimName", NULL), claim) == 0)
            return true;
    }
    return false;
}

/* A claim that a pod still mounts is not taken away under it (Kubernetes' pvc-protection). */
static bool claim_in_use(struct local *local, const struct object *claim)
{
    AUTO_OBJECT_LIST struct object_list pods = {0};
    objects_select(local->objects, KIND_POD, claim->namespace, NULL, &pods);
    for (size_t i = 0; i < pods.count; i++)
        if (mounts_claim(pods.items[i], claim->name))
            return true;
    return false;
}

static int64_t claim_end(struct local *local, const struct object *claim, struct error *error)
{
    enum { LOOK_AGAIN_MS = 2000 };
    if (object_has_finalizers(claim))
        return 0;
    if (claim_in_use(local, claim))
        return LOOK_AGAIN_MS;
    int r = sandbox_volume_remove(local->sandbox, claim->namespace, claim->name, error);
    if (r < 0 && r != -ERROR_NOT_FOUND)
        return r;
    return objects_finish(local->objects, claim, error);
}

/* As a provisioner and the binder leave it: without a volume's name, kubectl describe shows neither it nor the
 * capacity. A manifest of another cluster's may have named one, and is applied again: what it says stays. */
static void name_volume(cJSON *claim)
{
    cJSON *spec = json_object_in(claim, "spec");
    if (json_text_or("", spec, "volumeName", NULL)[0])
        return;
    AUTO_FREE char *name = memory_format("pvc-%s", json_text_or("", claim, "metadata", "uid", NULL));
    json_set_text(spec, "volumeName", name);
}

static int bind(void *context, const cJSON *current, cJSON **ret, struct error *error)
{
    const bool *enforced = context;
    (void)error;
    cJSON *wanted = json_copy(current);
    cJSON *annotations = json_object_in(json_object_in(wanted, "metadata"), "annotations");
    json_set_text(annotations, ANNOTATION_ENFORCED, *enforced ? "true" : "false");
    name_volume(wanted);
    *ret = wanted;
    return 0;
}

static cJSON *bound_status(const struct object *claim, int64_t bytes)
{
    cJSON *status = json_object();
    char text[32];
    quantity_format_bytes(bytes, text, sizeof(text));
    json_set_text(status, "phase", "Bound");
    const cJSON *modes = json_at(claim->body, "spec", "accessModes", NULL);
    if (modes)
        json_set(status, "accessModes", json_copy(modes));
    json_set_text(json_object_in(status, "capacity"), "storage", text);
    return status;
}

static int64_t claim_pending(struct local *local, const struct object *claim, int64_t result, const struct error *error)
{
    const char *before = json_text_or("", claim->body, "status", "phase", NULL);
    if (strcmp(before, "Bound") == 0) { /* it exists; growing it, or a look at it, failed */
        if (result != -ERROR_UNAVAILABLE)
            engine_event(&local->base, claim->body, "Warning", "VolumeFailed", "%s", error->message);
        return result;
    }
    cJSON *status = json_object();
    json_set_text(status, "phase", "Pending");
    status_set_condition(status, "Ready", false, "ProvisioningFailed", error->message);
    (void)objects_set_status(local->objects, claim, status, NULL);
    if (result != -ERROR_UNAVAILABLE)
        engine_event(&local->base, claim->body, "Warning", "ProvisioningFailed", "%s", error->message);
    return result;
}

int64_t claim_reconcile(struct local *local, const char *namespace, const char *name, struct error *error)
{
    AUTO_OBJECT struct object *claim = objects_find(local->objects, KIND_CLAIM, namespace, name);
    if (!claim)
        return 0;
    if (object_terminating(claim))
        return claim_end(local, claim, error);
    int64_t bytes = 0;
    if (!claim_wanted_bytes(claim->body, &bytes))
        return 0; /* admission lets no such claim in */
    AUTO_JSON cJSON *answer = NULL;
    int r = sandbox_ensure(local->sandbox, namespace, NULL, error);
    if (r == 0)
        r = sandbox_volume_ensure(local->sandbox, namespace, name, bytes, &answer, error);
    if (r < 0)
        return claim_pending(local, claim, r, error);
    bool enforced = json_true(answer, "enforced", NULL);
    (void)json_i64(json_member(answer, "bytes"), &bytes);
    r = objects_change_seen(local->objects, claim, ENGINE_SPEC, bind, &enforced, NULL, error);
    if (r == 0)
        r = objects_set_status(local->objects, claim, bound_status(claim, bytes), error);
    return r;
}
