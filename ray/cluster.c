/* May this RayCluster be stored as it is, and what does it leave to the platform? */
#include "ray/internal.h"

#include "tenancy/shape.h"

/* --- its name -------------------------------------------------------------------------------------------------------
 */

static int check_service_free(struct engine *engine, const cJSON *cluster, struct error *error)
{
    const char *name = json_text_or("", cluster, "metadata", "name", NULL);
    AUTO_FREE char *service_name = memory_format("%s-head-svc", name);
    AUTO_JSON cJSON *service = NULL;
    int r = engine_get(engine, KIND_SERVICE, json_text(cluster, "metadata", "namespace", NULL), service_name, &service,
                       NULL);
    if (r < 0) /* absent; any other trouble shows when the cluster is stored */
        return 0;
    const char *earlier = json_text(service, "metadata", "labels", "ray.io/cluster", NULL);
    if (earlier && strcmp(earlier, name) == 0)
        return 0; /* an earlier cluster's, on its way out */
    return error_set(error, ERROR_INVALID, "metadata.name",
                     "a service named \"%s\" exists in this profile; choose another name", service_name);
}

/* --- authentication -------------------------------------------------------------------------------------------------
 */

/* Absent, {} and an absent mode all mean token: KubeRay would leave {} open (reference 1.6). */
static int complete_auth(cJSON *spec, struct error *error)
{
    static const char *const known[] = {"mode", "secretName", "enableK8sTokenAuth", NULL};
    cJSON *auth = NULL;
    const char *mode = NULL;
    const char *secret = NULL;
    bool by_kubernetes = false;
    int r = shape_object(spec, "spec", "authOptions", &auth, error);
    if (r == 0)
        r = json_check_known(auth, "spec.authOptions", known, error);
    if (r == 0)
        r = shape_text(auth, "spec.authOptions", "mode", &mode, error);
    if (r == 0)
        r = shape_text(auth, "spec.authOptions", "secretName", &secret, error);
    if (r == 0)
        r = shape_bool(auth, "spec.authOptions", "enableK8sTokenAuth", false, &by_kubernetes, error);
    if (r < 0)
        return r;
    if (mode && strcmp(mode, "token") != 0)
        return error_set(
            error, ERROR_INVALID, "spec.authOptions.mode",
            "spec.authOptions.mode must be token: a cluster without authentication would run anybody's code");
    if (by_kubernetes)
        return error_set(error, ERROR_INVALID, "spec.authOptions.enableK8sTokenAuth",
                         "spec.authOptions.enableK8sTokenAuth is not offered here; the token of the profile is used");
    if (secret && *secret && strcmp(secret, RAY_AUTH_SECRET) != 0)
        return error_set(error, ERROR_INVALID, "spec.authOptions.secretName",
                         "spec.authOptions.secretName must be " RAY_AUTH_SECRET
                         ": all clusters of a profile share one token, so that its notebooks can use them");
    auth = json_object_in(spec, "authOptions");
    json_set_text(auth, "mode", "token");
    json_set_text(auth, "secretName", RAY_AUTH_SECRET);
    return 0;
}

/* --- what KubeRay knows and this platform does not do ---------------------------------------------------------------
 */

static int check_not_offered(const cJSON *cluster, const cJSON *spec, struct error *error)
{
    static const struct {
        const char *key, *why;
    } refused[] = {
        {"enableInTreeAutoscaling", "set replicas instead; autoscaling is not offered here"},
        {"gcsFaultToleranceOptions", "a head that ends starts afresh; fault tolerance of the GCS is not offered here"},
        {"networkPolicy", "profiles are kept apart anyway"},
        {"tlsOptions", "TLS between Ray nodes is not offered here"},
        {"historyServerOptions", "a history server is not offered here"}};
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        const cJSON *value = json_member(spec, refused[i].key);
        if (!value || cJSON_IsFalse(value))
            continue;
        char field[64];
        snprintf(field, sizeof(field), "spec.%s", refused[i].key);
        return error_set(error, ERROR_INVALID, field, "%s cannot be used: %s", field, refused[i].why);
    }
    const char *ft = json_text(cluster, "metadata", "annotations", "ray.io/ft-enabled", NULL);
    if (ft && strcmp(ft, "false") != 0)
        return error_set(error, ERROR_INVALID, "metadata.annotations.ray.io/ft-enabled",
                         "fault tolerance of the GCS is not offered here");
    return 0;
}

static int check_upgrade_strategy(const cJSON *spec, struct error *error)
{
    static const char *const known[] = {"type", NULL};
    cJSON *strategy = NULL;
    const char *type = NULL;
    int r = shape_object(spec, "spec", "upgradeStrategy", &strategy, error);
    if (r == 0)
        r = json_check_known(strategy, "spec.upgradeStrategy", known, error);
    if (r == 0)
        r = shape_text(strategy, "spec.upgradeStrategy", "type", &type, error);
    if (r < 0)
        return r;
    if (type && strcmp(type, "None") != 0 && strcmp(type, "Recreate") != 0)
        return error_set(error, ERROR_INVALID, "spec.upgradeStrategy.type",
                         "spec.upgradeStrategy.type must be None or Recreate");
    return 0;
}

static int check_managed_by(const cJSON *spec, struct error *error)
{
    const char *by = NULL;
    int r = shape_text(spec, "spec", "managedBy", &by, error);
    if (r == 0 && by && strcmp(by, "ray.io/kuberay-operator") != 0)
        return error_set(error, ERROR_INVALID, "spec.managedBy",
                         "spec.managedBy must be absent or ray.io/kuberay-operator");
    return r;
}

/* --- Ray's version --------------------------------------------------------------------------------------------------
 */

/* An alias stands for its variants too ("…:2.60.0-py311"): the engine has already accepted the image, so what is left
 * is to find which one it took. */
static bool names_image(const char *alias, struct slice image)
{
    return slice_starts(image, alias) && (image.n == strlen(alias) || image.p[strlen(alias)] == '-');
}

const cJSON *ray_find_image(const cJSON *images, const char *image)
{
    struct slice wanted = slice_of(image);
    if (slice_starts(wanted, "docker.io/"))
        wanted = slice_skip(wanted, strlen("docker.io/"));
    for (const cJSON *entry = images && wanted.n ? images->child : NULL; entry; entry = entry->next) {
        if (slice_is(wanted, json_text_or("", entry, "name", NULL)))
            return entry;
        const cJSON *aliases = json_member(entry, "aliases");
        for (const cJSON *alias = aliases ? aliases->child : NULL; alias; alias = alias->next) {
            if (cJSON_IsString(alias) && names_image(alias->valuestring, wanted))
                return entry;
        }
    }
    return NULL;
}

static const char *head_image(const cJSON *cluster)
{
    const cJSON *containers = json_at(cluster, "spec", "headGroupSpec", "template", "spec", "containers", NULL);
    return json_text(containers ? containers->child : NULL, "image", NULL);
}

static int complete_version(struct engine *engine, const cJSON *cluster, cJSON *spec, struct error *error)
{
    const char *version = NULL;
    int r = shape_text(spec, "spec", "rayVersion", &version, error);
    if (r < 0)
        return r;
    if (version && (strlen(version) > 32 || version[strspn(version, "0123456789abcdefghijklmnopqrstuvwxyz.+-")]))
        return error_set(error, ERROR_INVALID, "spec.rayVersion", "spec.rayVersion must be a version such as 2.60.0");
    if (version && *version)
        return 0;
    AUTO_JSON cJSON *images = NULL;
    if (engine_images(engine, &images, NULL) == 0)
        json_set_text(spec, "rayVersion", json_text(ray_find_image(images, head_image(cluster)), "rayVersion", NULL));
    return 0;
}

void ray_cluster_remark(struct engine *engine, const cJSON *cluster)
{
    const char *image = head_image(cluster);
    const char *wanted = json_text(cluster, "spec", "rayVersion", NULL);
    AUTO_JSON cJSON *images = NULL;
    if (!image || !wanted || engine_images(engine, &images, NULL) < 0)
        return;
    const char *has = json_text(ray_find_image(images, image), "rayVersion", NULL);
    if (has && strcmp(has, wanted) != 0)
        engine_event(engine, cluster, "Warning", "RayVersionMismatch",
                     "spec.rayVersion is %s and the image %s has Ray %s; the image's is what runs", wanted, image, has);
}

/* --- the whole ------------------------------------------------------------------------------------------------------
 */

static int admit_metadata(struct engine *engine, const cJSON *old, cJSON *cluster, struct error *error)
{
    static const char *const known[] = {"apiVersion", "kind", "metadata", "spec", "status", NULL};
    cJSON *metadata = NULL;
    int r = json_check_known(cluster, "", known, error);
    if (r == 0)
        r = shape_object(cluster, "", "metadata", &metadata, error);
    if (r == 0)
        r = shape_workload_name("RayCluster", json_text(metadata, "name", NULL), RAY_NAME_MAX, error);
    if (r == 0)
        r = shape_texts(metadata, "metadata", "labels", error);
    if (r == 0)
        r = shape_texts(metadata, "metadata", "annotations", error);
    if (r == 0)
        r = shape_finalizers(old, cluster, NULL, error);
    if (r == 0 && !old)
        r = check_service_free(engine, cluster, error);
    return r;
}

static int check_options(cJSON *spec, struct error *error)
{
    cJSON *options = NULL;
    bool suspend = false;
    bool scaling = false;
    int r = shape_bool(spec, "spec", "suspend", false, &suspend, error);
    if (r == 0)
        r = shape_bool(spec, "spec", "enableInTreeAutoscaling", false, &scaling, error);
    if (r == 0)
        r = shape_object(spec, "spec", "autoscalerOptions", &options, error);
    if (r == 0)
        r = shape_texts(spec, "spec", "headServiceAnnotations", error);
    if (r == 0)
        r = check_upgrade_strategy(spec, error);
    return r < 0 ? r : check_managed_by(spec, error);
}

int ray_cluster_admit(struct engine *engine, const cJSON *old, cJSON *cluster, struct error *error)
{
    static const char *const known[] = {
        "rayVersion", "headGroupSpec", "workerGroupSpecs",     "enableInTreeAutoscaling",  "autoscalerOptions",
        "suspend",    "authOptions",   "upgradeStrategy",      "gcsFaultToleranceOptions", "networkPolicy",
        "tlsOptions", "managedBy",     "historyServerOptions", "headServiceAnnotations",   NULL};
    shape_drop_nulls(cluster);
    cJSON *spec = NULL;
    int r = admit_metadata(engine, old, cluster, error);
    if (r == 0)
        r = shape_object(cluster, "", "spec", &spec, error);
    if (r < 0)
        return r;
    spec = json_object_in(cluster, "spec");
    r = json_check_known(spec, "spec", known, error);
    if (r == 0)
        r = check_options(spec, error);
    if (r == 0)
        r = check_not_offered(cluster, spec, error);
    if (r == 0)
        r = complete_auth(spec, error);
    if (r == 0)
        r = ray_check_head(engine, spec, error);
    if (r == 0)
        r = ray_check_workers(engine, spec, error);
    if (r == 0)
        r = complete_version(engine, cluster, spec, error);
    if (r == 0 && old)
        r = ray_check_change(old, cluster, error);
    return r;
}
