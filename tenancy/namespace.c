/* Whose is the namespace of a profile's name, and does it carry what it should? */
#include "tenancy/internal.h"

#include "base/log.h"

/* --- whose it is ------------------------------------------------------------------------------------------------- */

static bool has_controller(const cJSON *object)
{
    const cJSON *references = json_at(object, "metadata", "ownerReferences", NULL);
    for (const cJSON *r = references ? references->child : NULL; r; r = r->next) {
        if (json_true(r, "controller", NULL))
            return true;
    }
    return false;
}

/* Told to, by whoever may write Profiles to the cluster, and nobody else's: an annotation `owner`, which Kubeflow's
 * controller left, must name the same person. */
static bool namespace_adoptable(const struct pass *pass, const cJSON *namespace)
{
    const char *labelled = json_text_or(pass->name, namespace, "metadata", "labels", TENANCY_LABEL, NULL);
    const char *declared = json_text_or("", pass->profile, "spec", "owner", "name", NULL);
    const char *owner = json_text_or(declared, namespace, "metadata", "annotations", "owner", NULL);
    return tenancy_adopts(pass->profile) && !has_controller(namespace) && strcmp(labelled, pass->name) == 0 &&
           slice_is_nocase(slice_of(owner), declared) && !json_text(namespace, "metadata", "deletionTimestamp", NULL);
}

enum standing namespace_standing(const struct pass *pass, const cJSON *namespace)
{
    const char *uid = json_text_or("", pass->profile, "metadata", "uid", NULL);
    if (!namespace)
        return STANDING_ABSENT;
    if (status_is_owned(namespace, pass->profile))
        return STANDING_MADE;
    const char *by = json_text_or("", namespace, "metadata", "annotations", TENANCY_ADOPTED_BY, NULL);
    if (*uid && strcmp(by, uid) == 0)
        return STANDING_ADOPTED;
    return namespace_adoptable(pass, namespace) ? STANDING_ADOPTABLE : STANDING_FOREIGN;
}

/* --- what it carries --------------------------------------------------------------------------------------------- */

/* Kubeflow's label and annotation, so that what reads its profiles finds these too; Pod Security as the installation
 * says, with a warning for what would not pass "restricted"; Istio's sidecars where there is a mesh, unless labels of
 * the installation choose a revision. */
static cJSON *namespace_render(const struct pass *pass, bool made)
{
    const struct settings *settings = &pass->tenancy->settings;
    cJSON *wanted = pass_object(pass, KIND_NAMESPACE, pass->name);
    cJSON *metadata = json_member(wanted, "metadata");
    cJSON *labels = json_member(metadata, "labels");
    cJSON *annotations = json_object_in(metadata, "annotations");
    json_set_text(labels, "kubernetes.io/metadata.name", pass->name);
    json_set_text(labels, "app.kubernetes.io/part-of", "kubeflow-profile");
    json_set_text(labels, "pod-security.kubernetes.io/enforce", settings->pod_security);
    json_set_text(labels, "pod-security.kubernetes.io/warn", "restricted");
    if (engine_has(pass->tenancy->engine, KIND_AUTHORIZATIONPOLICY) && !json_member(settings->labels, "istio.io/rev"))
        json_set_text(labels, "istio-injection", "enabled");
    for (const cJSON *label = settings->labels ? settings->labels->child : NULL; label; label = label->next)
        json_set_text(labels, label->string, label->valuestring);
    json_set_text(annotations, "owner", pass->owner);
    if (engine_traits(pass->tenancy->engine)->outbound) /* said in any case: what a profile no longer says is undone */
        json_set_text(annotations, ENGINE_OUTBOUND,
                      json_text_or("on", pass->profile, "metadata", "annotations", ENGINE_OUTBOUND, NULL));
    if (made)
        json_set(metadata, "ownerReferences", status_owner_reference(KIND_PROFILE, pass->profile));
    else
        json_set_text(annotations, TENANCY_ADOPTED_BY, json_text(pass->profile, "metadata", "uid", NULL));
    return wanted;
}

int pass_namespace(struct pass *pass, const cJSON *namespace, enum standing standing, struct error *error)
{
    bool made = standing == STANDING_ABSENT || standing == STANDING_MADE;
    AUTO_JSON cJSON *wanted = namespace_render(pass, made);
    int r = standing == STANDING_ABSENT ? engine_apply(pass->tenancy->engine, KIND_NAMESPACE, NULL, wanted, NULL, error)
                                        : pass_apply(pass, KIND_NAMESPACE, wanted, NULL, error);
    if (r < 0) /* EXISTS: made by somebody since it was looked for; the next pass decides about it */
        return r;
    /* A sandbox says so while it is being prepared; a cluster's namespace is there at once. */
    const cJSON *ready = json_condition(namespace, "Ready");
    if (ready && strcmp(json_text_or("", ready, "status", NULL), "False") == 0)
        pass_blocked(pass, "Pending", json_text_or("NamespacePending", ready, "reason", NULL), "%.400s",
                     json_text_or("the namespace is being prepared", ready, "message", NULL));
    return 0;
}

/* --- giving an adopted one back ---------------------------------------------------------------------------------- */

static const struct {
    enum engine_kind kind;
    const char *name;
} made_here[] = {{KIND_ROLEBINDING, "atelier-viewer"},
                 {KIND_ROLEBINDING, "atelier-editor"},
                 {KIND_ROLEBINDING, "atelier-admin"},
                 {KIND_ROLEBINDING, "default-editor"},
                 {KIND_ROLEBINDING, "default-viewer"},
                 {KIND_SERVICEACCOUNT, "default-editor"},
                 {KIND_SERVICEACCOUNT, "default-viewer"},
                 {KIND_RESOURCEQUOTA, TENANCY_QUOTA},
                 {KIND_LIMITRANGE, TENANCY_DEFAULTS},
                 {KIND_NETWORKPOLICY, TENANCY_WALLS},
                 {KIND_AUTHORIZATIONPOLICY, TENANCY_WALLS},
                 {KIND_SECRET, TENANCY_RAY_AUTH},
                 {KIND_CLAIM, TENANCY_HOME}};

/* What carries our labels for this profile, and was not there before. */
static bool made_for(const struct pass *pass, const cJSON *object)
{
    return strcmp(json_text_or("", object, "metadata", "labels", TENANCY_MANAGED_BY, NULL), TENANCY_US) == 0 &&
           strcmp(json_text_or("", object, "metadata", "labels", TENANCY_LABEL, NULL), pass->name) == 0 &&
           !json_text(object, "metadata", "annotations", TENANCY_ADOPTED, NULL);
}

static int take_away(const struct pass *pass, enum engine_kind kind, const char *name, struct error *error)
{
    AUTO_JSON cJSON *object = NULL;
    int r = engine_has(pass->tenancy->engine, kind) ? pass_get(pass, kind, name, &object, error) : 0;
    if (r < 0 || !object || !made_for(pass, object))
        return r;
    if (!json_text(object, "metadata", "deletionTimestamp", NULL))
        r = engine_delete(pass->tenancy->engine, kind, pass->name, name, NULL, error);
    return r == -ERROR_NOT_FOUND ? 0 : r < 0 ? r : 1;
}

/* Our marks go last: by them a crash on the way is found again. Pod Security labels stay: taking them off would loosen
 * what runs there. */
static int namespace_unmark(const struct pass *pass, struct error *error)
{
    static const char *const labels[] = {TENANCY_LABEL, TENANCY_MANAGED_BY, "app.kubernetes.io/part-of"};
    static const char *const annotations[] = {TENANCY_ADOPTED_BY, TENANCY_ADOPTED, "atelier.dev/applied"};
    AUTO_JSON cJSON *patch = json_object();
    AUTO_JSON cJSON *written = NULL;
    cJSON *metadata = json_object_in(patch, "metadata");
    for (size_t i = 0; i < COUNT_OF(labels); i++)
        json_set(json_object_in(metadata, "labels"), labels[i], cJSON_CreateNull());
    for (size_t i = 0; i < COUNT_OF(annotations); i++)
        json_set(json_object_in(metadata, "annotations"), annotations[i], cJSON_CreateNull());
    int r = engine_patch(pass->tenancy->engine, KIND_NAMESPACE, NULL, pass->name, ENGINE_SPEC, ENGINE_PATCH_MERGE,
                         patch, &written, error);
    return r == -ERROR_NOT_FOUND ? 0 : r;
}

int namespace_leave(struct pass *pass, const cJSON *namespace, struct error *error)
{
    bool gone = json_text(namespace, "metadata", "deletionTimestamp", NULL) != NULL;
    int left = 0;
    for (size_t i = 0; !gone && i < COUNT_OF(made_here); i++) {
        int r = take_away(pass, made_here[i].kind, made_here[i].name, error);
        if (r < 0)
            return r;
        left += r;
    }
    if (left > 0)
        return 1;
    int r = namespace_unmark(pass, error);
    if (r == 0)
        log_line(LOG_INFO, "adopted namespace left as it was", LOG_TEXT("namespace", pass->name));
    return r;
}
