/* What does a profile's namespace still lack, and may the profile be called Ready? */
#include "tenancy/internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"

/* One pass: what was read, and the first thing that stands between the profile and Ready. */
struct pass {
    struct tenancy *tenancy;
    const cJSON *profile;
    const char *name;
    const char *phase; /* static */
    char reason[64];   /* empty while nothing is in the way */
    char message[512];
};

__attribute__((format(printf, 4, 5))) static void pass_blocked(struct pass *pass, const char *phase, const char *reason,
                                                               const char *format, ...)
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

static cJSON *pass_object(const struct pass *pass, enum engine_kind kind, const char *name)
{
    cJSON *object = json_object();
    json_set_text(object, "apiVersion", engine_api_version(kind));
    json_set_text(object, "kind", engine_kinds[kind].kind);
    cJSON *metadata = json_object_in(object, "metadata");
    json_set_text(metadata, "name", name);
    cJSON *labels = json_object_in(metadata, "labels");
    json_set_text(labels, TENANCY_LABEL, pass->name);
    json_set_text(labels, "app.kubernetes.io/managed-by", "atelier");
    return object;
}

/* Reads an object; 0 with *ret NULL if it is not there. */
static int pass_get(const struct pass *pass, enum engine_kind kind, const char *name, cJSON **ret, struct error *error)
{
    const char *namespace = engine_kinds[kind].namespaced ? pass->name : NULL;
    int r = engine_get(pass->tenancy->engine, kind, namespace, name, ret, error);
    if (r == -ERROR_NOT_FOUND) {
        *ret = NULL;
        return 0;
    }
    return r;
}

static int pass_create(const struct pass *pass, enum engine_kind kind, const cJSON *object, cJSON **ret,
                       struct error *error)
{
    const char *namespace = engine_kinds[kind].namespaced ? pass->name : NULL;
    return engine_create(pass->tenancy->engine, kind, namespace, object, ret, error);
}

/* --- the finalizer ------------------------------------------------------------------------------------------------ */

static int pass_finalizer(struct pass *pass, struct error *error)
{
    const cJSON *finalizers = json_at(pass->profile, "metadata", "finalizers", NULL);
    for (const cJSON *item = finalizers ? finalizers->child : NULL; item; item = item->next) {
        if (cJSON_IsString(item) && strcmp(item->valuestring, TENANCY_FINALIZER) == 0)
            return 0;
    }
    AUTO_JSON cJSON *patch = json_object();
    AUTO_JSON cJSON *written = NULL;
    cJSON *metadata = json_object_in(patch, "metadata");
    json_set_text(metadata, "resourceVersion", json_text(pass->profile, "metadata", "resourceVersion", NULL));
    cJSON *list = json_set(metadata, "finalizers", finalizers ? json_copy(finalizers) : json_array());
    json_push_text(list, TENANCY_FINALIZER);
    int r = engine_patch(pass->tenancy->engine, KIND_PROFILE, NULL, pass->name, ENGINE_SPEC, ENGINE_PATCH_MERGE, patch,
                         &written, error);
    return r < 0 ? r : 1;
}

/* --- the namespace ------------------------------------------------------------------------------------------------ */

bool tenancy_owns_namespace(const cJSON *namespace, const cJSON *profile)
{
    const char *name = json_text_or("", profile, "metadata", "name", NULL);
    return status_is_owned(namespace, profile) &&
           strcmp(json_text_or("", namespace, "metadata", "labels", TENANCY_LABEL, NULL), name) == 0;
}

/* The labels and annotation that Kubeflow's own profiles carry, so that what reads them finds them here too. */
static void namespace_marks(const struct pass *pass, cJSON *metadata)
{
    cJSON *labels = json_object_in(metadata, "labels");
    json_set_text(labels, TENANCY_LABEL, pass->name);
    json_set_text(labels, "app.kubernetes.io/part-of", "kubeflow-profile");
    json_set_text(labels, "app.kubernetes.io/managed-by", "atelier");
    json_set_text(labels, "kubernetes.io/metadata.name", pass->name);
    json_set_text(json_object_in(metadata, "annotations"), "owner",
                  json_text_or("", pass->profile, "spec", "owner", "name", NULL));
}

static int namespace_repair(struct pass *pass, const cJSON *namespace, struct error *error)
{
    AUTO_JSON cJSON *patch = json_object();
    namespace_marks(pass, json_object_in(patch, "metadata"));
    AUTO_JSON cJSON *wanted = json_merge_patch(json_copy(namespace), patch);
    if (json_equal(wanted, namespace))
        return 0;
    AUTO_JSON cJSON *written = NULL;
    return engine_patch(pass->tenancy->engine, KIND_NAMESPACE, NULL, pass->name, ENGINE_SPEC, ENGINE_PATCH_MERGE, patch,
                        &written, error);
}

/* The local engine says there whether the sandbox is made; Kubernetes has no such condition. */
static const cJSON *namespace_condition(const cJSON *namespace, const char *type)
{
    const cJSON *conditions = json_at(namespace, "status", "conditions", NULL);
    for (const cJSON *c = conditions ? conditions->child : NULL; c; c = c->next) {
        if (strcmp(json_text_or("", c, "type", NULL), type) == 0)
            return c;
    }
    return NULL;
}

static int pass_namespace(struct pass *pass, struct error *error)
{
    AUTO_JSON cJSON *namespace = NULL;
    int r = pass_get(pass, KIND_NAMESPACE, pass->name, &namespace, error);
    if (r < 0)
        return r;
    if (!namespace) {
        AUTO_JSON cJSON *wanted = pass_object(pass, KIND_NAMESPACE, pass->name);
        cJSON *metadata = json_object_in(wanted, "metadata");
        namespace_marks(pass, metadata);
        json_set(metadata, "ownerReferences", status_owner_reference(KIND_PROFILE, pass->profile));
        r = pass_create(pass, KIND_NAMESPACE, wanted, &namespace, error);
        if (r < 0)
            return r;
    } else if (!tenancy_owns_namespace(namespace, pass->profile)) {
        pass_blocked(pass, "Failed", "NamespaceTaken",
                     "a namespace named %s exists already and does not belong to this profile; delete the profile and "
                     "choose another name",
                     pass->name);
        return 0;
    } else if (json_text(namespace, "metadata", "deletionTimestamp", NULL)) {
        pass_blocked(pass, "Pending", "NamespaceTerminating",
                     "the namespace %s is being deleted and is made again once it is gone", pass->name);
        return 0;
    } else {
        r = namespace_repair(pass, namespace, error);
        if (r < 0)
            return r;
    }
    const cJSON *ready = namespace_condition(namespace, "Ready");
    if (ready && strcmp(json_text_or("", ready, "status", NULL), "False") == 0)
        pass_blocked(pass, "Pending", json_text_or("NamespacePending", ready, "reason", NULL), "%.400s",
                     json_text_or("the namespace is being prepared", ready, "message", NULL));
    return 0;
}

/* --- what stands in it -------------------------------------------------------------------------------------------- */

static int pass_quota(struct pass *pass, struct error *error)
{
    const cJSON *spec = json_at(pass->profile, "spec", "resourceQuotaSpec", NULL);
    AUTO_JSON cJSON *wanted_spec = spec && json_member(spec, "hard") ? json_copy(spec) : json_object();
    if (!json_member(wanted_spec, "hard"))
        json_set(wanted_spec, "hard", tenancy_default_quota(pass->tenancy));

    AUTO_JSON cJSON *quota = NULL;
    AUTO_JSON cJSON *written = NULL;
    int r = pass_get(pass, KIND_RESOURCEQUOTA, TENANCY_QUOTA, &quota, error);
    if (r < 0)
        return r;
    if (!quota) {
        AUTO_JSON cJSON *wanted = pass_object(pass, KIND_RESOURCEQUOTA, TENANCY_QUOTA);
        json_set(wanted, "spec", TAKE_POINTER(wanted_spec));
        return pass_create(pass, KIND_RESOURCEQUOTA, wanted, &written, error);
    }
    if (json_equal(json_member(quota, "spec"), wanted_spec))
        return 0;
    json_set(quota, "spec", TAKE_POINTER(wanted_spec));
    return engine_update(pass->tenancy->engine, KIND_RESOURCEQUOTA, pass->name, TENANCY_QUOTA, ENGINE_SPEC, quota,
                         &written, error);
}

/* The reason why a volume is not there yet, from its conditions. */
static const char *claim_message(const cJSON *claim)
{
    const cJSON *conditions = json_at(claim, "status", "conditions", NULL);
    for (const cJSON *c = conditions ? conditions->child : NULL; c; c = c->next) {
        const char *message = json_text(c, "message", NULL);
        if (message && *message)
            return message;
    }
    return json_text_or("the home volume is being made", claim, "status", "message", NULL);
}

/* Made once. Its size is the owner's to raise afterwards, so it is not compared. */
static int pass_home(struct pass *pass, struct error *error)
{
    AUTO_JSON cJSON *claim = NULL;
    int r = pass_get(pass, KIND_CLAIM, TENANCY_HOME, &claim, error);
    if (r < 0)
        return r;
    if (!claim) {
        AUTO_JSON cJSON *wanted = pass_object(pass, KIND_CLAIM, TENANCY_HOME);
        cJSON *spec = json_object_in(wanted, "spec");
        json_push_text(json_set(spec, "accessModes", json_array()), "ReadWriteOnce");
        json_set_text(json_object_in(json_object_in(spec, "resources"), "requests"), "storage",
                      pass->tenancy->home_size);
        r = pass_create(pass, KIND_CLAIM, wanted, &claim, error);
        if (r < 0)
            return r;
    }
    if (strcmp(json_text_or("", claim, "status", "phase", NULL), "Bound") != 0)
        pass_blocked(pass, "Pending", "HomeVolumePending", "%.400s", claim_message(claim));
    return 0;
}

static void secret_put_token(cJSON *secret)
{
    AUTO_FREE char *token = random_token(TENANCY_TOKEN_BYTES);
    AUTO_FREE char *encoded = text_base64(token, strlen(token));
    json_set_text(json_object_in(secret, "data"), TENANCY_RAY_AUTH_KEY, encoded);
    memory_wipe(token, strlen(token));
    memory_wipe(encoded, strlen(encoded));
}

/* Made once and never changed: running Ray processes hold the token. */
static int pass_ray_auth(struct pass *pass, struct error *error)
{
    AUTO_JSON cJSON *secret = NULL;
    AUTO_JSON cJSON *written = NULL;
    int r = pass_get(pass, KIND_SECRET, TENANCY_RAY_AUTH, &secret, error);
    if (r < 0)
        return r;
    if (!secret) {
        AUTO_JSON cJSON *wanted = pass_object(pass, KIND_SECRET, TENANCY_RAY_AUTH);
        json_set_text(wanted, "type", "Opaque");
        secret_put_token(wanted);
        return pass_create(pass, KIND_SECRET, wanted, &written, error);
    }
    const char *token = json_text(secret, "data", TENANCY_RAY_AUTH_KEY, NULL);
    if (token && *token)
        return 0;
    secret_put_token(secret);
    return engine_update(pass->tenancy->engine, KIND_SECRET, pass->name, TENANCY_RAY_AUTH, ENGINE_SPEC, secret,
                         &written, error);
}

/* --- the pass ----------------------------------------------------------------------------------------------------- */

int tenancy_report(struct tenancy *tenancy, const cJSON *profile, const char *phase, const char *reason,
                   const char *message, struct error *error)
{
    const cJSON *old = json_member(profile, "status");
    cJSON *status = json_object();
    json_set_text(status, "phase", phase);
    json_set_text(status, "reason", reason);
    json_set_text(status, "message", message);
    int64_t generation = 0;
    if (json_i64(json_at(profile, "metadata", "generation", NULL), &generation))
        json_set_i64(status, "observedGeneration", generation);
    status_condition(status, old, "Ready", strcmp(phase, "Ready") == 0, reason, message, clock_wall_ms());
    bool changed = strcmp(json_text_or("", old, "phase", NULL), phase) != 0 ||
                   strcmp(json_text_or("", old, "reason", NULL), reason) != 0;
    int r = status_write(tenancy->engine, KIND_PROFILE, profile, status, error);
    if (r == 1 && changed && strcmp(phase, "Failed") == 0)
        engine_event(tenancy->engine, profile, "Warning", reason, "%s", message);
    return r < 0 ? r : 0;
}

static int pass_all(struct pass *pass, struct error *error)
{
    static int (*const steps[])(struct pass *, struct error *) = {pass_quota, pass_home, pass_ray_auth};
    int r = pass_namespace(pass, error);
    for (size_t i = 0; r >= 0 && !*pass->reason && i < COUNT_OF(steps); i++)
        r = steps[i](pass, error);
    return r;
}

int64_t tenancy_reconcile(struct tenancy *tenancy, const char *name)
{
    struct error error = {0};
    AUTO_JSON cJSON *profile = NULL;
    int r = engine_get(tenancy->engine, KIND_PROFILE, NULL, name, &profile, &error);
    if (r == -ERROR_NOT_FOUND)
        return 0;
    if (r < 0)
        return r;
    if (json_text(profile, "metadata", "deletionTimestamp", NULL))
        return tenancy_remove(tenancy, profile);

    struct pass pass = {.tenancy = tenancy, .profile = profile, .name = name};
    r = pass_finalizer(&pass, &error);
    if (r > 0)
        return 0; /* its own event brings the next pass, with the new version */
    if (r == 0)
        r = pass_all(&pass, &error);
    if (r == -ERROR_CONFLICT || r == -ERROR_EXISTS)
        return r; /* somebody wrote at the same time: look again, ever more slowly */
    if (r < 0) {
        log_line(LOG_WARN, "profile not reconciled", LOG_TEXT("profile", name), LOG_FAULT(&error));
        pass_blocked(&pass, "Pending", error_reason(error.code), "%.400s", error.message);
    }
    pass_blocked(&pass, "Ready", "Ready", "the profile is ready"); /* if nothing else was */
    struct error report_error = {0};
    int reported = tenancy_report(tenancy, profile, pass.phase, pass.reason, pass.message, &report_error);
    if (r < 0)
        return r;
    if (reported == -ERROR_CONFLICT || reported == -ERROR_NOT_FOUND)
        return TENANCY_POLL_MS / 10;
    return reported;
}
