/* May this RayJob be stored as it is? */
#include "ray/internal.h"

#include "tenancy/rights.h"
#include "tenancy/shape.h"

#define SPEC "spec"
#define SELECTOR_KEY "ray.io/cluster"

static bool is_one_of(const char *text, const char *const *words)
{
    for (; *words; words++) {
        if (strcmp(*words, text) == 0)
            return true;
    }
    return false;
}

static const char *mode_of(const cJSON *spec)
{
    return json_text_or("K8sJobMode", spec, "submissionMode", NULL);
}

static bool has(const cJSON *object, const char *key)
{
    return json_member(object, key) != NULL;
}

/* --- what is run -------------------------------------------------------------------------------------------------- */

static int check_yaml_object(const cJSON *spec, const char *key, struct error *error)
{
    const char *text = NULL;
    char field[RAY_PATH_MAX];
    AUTO_JSON cJSON *value = NULL;
    struct error fault = {0};
    int r = shape_text(spec, SPEC, key, &text, error);
    if (r < 0 || !text || !*text)
        return r;
    ray_path(field, SPEC, key);
    if (strlen(text) > RAY_YAML_MAX)
        return error_set(error, ERROR_INVALID, field, "%s may be at most %d bytes", field, RAY_YAML_MAX);
    if (yaml_parse(slice_of(text), &json_limits_default, &value, &fault) < 0)
        return error_set(error, ERROR_INVALID, field, "%s is not YAML: %.300s", field, fault.message);
    return cJSON_IsObject(value) ? 0 : error_set(error, ERROR_INVALID, field, "%s must be YAML of an object", field);
}

static int check_amount(const cJSON *spec, const char *key, struct error *error)
{
    const cJSON *value = json_member(spec, key);
    char field[RAY_PATH_MAX];
    ray_path(field, SPEC, key);
    if (!value || (cJSON_IsNumber(value) && value->valuedouble >= 0))
        return 0;
    return error_set(error, ERROR_INVALID, field, "%s must be a number, 0 or more", field);
}

/* JSON of an object of numbers; KubeRay reads it only once the cluster stands. */
static int check_resources(const cJSON *spec, struct error *error)
{
    const char *text = NULL;
    AUTO_JSON cJSON *value = NULL;
    int r = shape_text(spec, SPEC, "entrypointResources", &text, error);
    if (r < 0 || !text || !*text)
        return r;
    bool good = json_parse(slice_of(text), &json_limits_default, &value, NULL) == 0 && cJSON_IsObject(value);
    for (const cJSON *amount = good ? value->child : NULL; amount && good; amount = amount->next)
        good = cJSON_IsNumber(amount) && amount->valuedouble >= 0;
    return good ? 0
                : error_set(error, ERROR_INVALID, "spec.entrypointResources",
                            "spec.entrypointResources must be JSON of an object of numbers, such as {\"slots\": 1}");
}

static int check_entrypoint(const cJSON *spec, struct error *error)
{
    static const char *const modes[] = {"K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode", NULL};
    const char *entrypoint = NULL;
    const char *mode = NULL;
    const char *text = NULL;
    int r = shape_text(spec, SPEC, "entrypoint", &entrypoint, error);
    if (r == 0)
        r = shape_text(spec, SPEC, "submissionMode", &mode, error);
    if (r == 0)
        r = shape_text(spec, SPEC, "jobId", &text, error);
    if (r == 0)
        r = shape_texts(spec, SPEC, "metadata", error);
    if (r == 0)
        r = check_resources(spec, error);
    if (r == 0)
        r = check_amount(spec, "entrypointNumCpus", error);
    if (r == 0)
        r = check_amount(spec, "entrypointNumGpus", error);
    if (r == 0)
        r = check_yaml_object(spec, "runtimeEnvYAML", error);
    if (r < 0)
        return r;
    if (mode && !is_one_of(mode, modes))
        return error_set(error, ERROR_INVALID, "spec.submissionMode",
                         "spec.submissionMode must be K8sJobMode, HTTPMode, InteractiveMode or SidecarMode");
    if (strcmp(mode_of(spec), "InteractiveMode") != 0 && (!entrypoint || !*entrypoint))
        return error_set(error, ERROR_INVALID, "spec.entrypoint",
                         "spec.entrypoint is missing; expected a command such as \"python train.py\"");
    if (entrypoint && strlen(entrypoint) > RAY_ENTRYPOINT_MAX)
        return error_set(error, ERROR_INVALID, "spec.entrypoint", "spec.entrypoint may be at most %d bytes",
                         RAY_ENTRYPOINT_MAX);
    return 0;
}

/* --- where it is run ---------------------------------------------------------------------------------------------- */

static int check_selector(struct engine *engine, const cJSON *spec, struct error *error)
{
    static const char *const known[] = {SELECTOR_KEY, NULL};
    int r = shape_texts(spec, SPEC, "clusterSelector", error);
    if (r == 0)
        r = json_check_known(json_member(spec, "clusterSelector"), "spec.clusterSelector", known, error);
    if (r < 0)
        return r;
    if (!name_is_dns1035(slice_of(json_text(spec, "clusterSelector", SELECTOR_KEY, NULL))))
        return error_set(error, ERROR_INVALID, "spec.clusterSelector." SELECTOR_KEY,
                         "spec.clusterSelector." SELECTOR_KEY " must be the name of a RayCluster");
    if (has(spec, "rayClusterSpec"))
        return error_set(error, ERROR_INVALID, "spec.rayClusterSpec",
                         "set either spec.clusterSelector or spec.rayClusterSpec, not both");
    if (json_true(spec, "suspend", NULL))
        return error_set(error, ERROR_INVALID, "spec.suspend",
                         "a job on a cluster that exists (spec.clusterSelector) cannot be suspended");
    if (engine_traits(engine)->ray_auth == ENGINE_RAY_AUTH_OWN)
        return error_set(error, ERROR_INVALID, "spec.clusterSelector",
                         "spec.clusterSelector cannot be used here: this cluster's KubeRay is older than 1.6 and would "
                         "show a cluster that exists no token; leave it out and set spec.rayClusterSpec, use `ray job "
                         "submit`, or have KubeRay upgraded");
    int64_t retries = 0; /* KubeRay's, a whole new cluster each, would need one to make */
    if (engine_traits(engine)->ray_by_kuberay && json_i64(json_member(spec, "backoffLimit"), &retries) && retries > 0)
        return error_set(error, ERROR_INVALID, "spec.backoffLimit",
                         "KubeRay does not try a job on a cluster that exists (spec.clusterSelector) again; leave "
                         "spec.backoffLimit out");
    if (strcmp(mode_of(spec), "SidecarMode") == 0)
        return error_set(error, ERROR_INVALID, "spec.submissionMode",
                         "SidecarMode needs a cluster of the job's own (spec.rayClusterSpec)");
    return 0;
}

static int check_cluster(struct engine *engine, const cJSON *job, cJSON *spec, struct error *error)
{
    const cJSON *selector = json_member(spec, "clusterSelector");
    cJSON *cluster = NULL;
    if (selector && (!cJSON_IsObject(selector) || selector->child))
        return check_selector(engine, spec, error);
    int r = shape_object(spec, SPEC, "rayClusterSpec", &cluster, error);
    if (r < 0)
        return r;
    if (!cluster)
        return error_set(error, ERROR_INVALID, "spec.rayClusterSpec",
                         "a RayJob needs spec.rayClusterSpec, or spec.clusterSelector with " SELECTOR_KEY);
    return ray_check_spec(engine, "spec.rayClusterSpec", job, true, cluster, error);
}

/* The container that KubeRay puts beside the head says nothing of its rights, and nobody can say it for it. */
static int check_sidecar_rights(struct engine *engine, const cJSON *job, const cJSON *spec, struct error *error)
{
    const char *namespace = json_text_or("", job, "metadata", "namespace", NULL);
    if (strcmp(mode_of(spec), "SidecarMode") != 0 || !engine_traits(engine)->pods_by_kubelet ||
        !rights_restricted(engine, namespace))
        return 0;
    return error_set(
        error, ERROR_INVALID, "spec.submissionMode",
        "SidecarMode cannot be used here: the profile's Pod Security, restricted, would refuse the container "
        "that KubeRay puts beside the head; use K8sJobMode or HTTPMode");
}

/* It becomes a Job's, which takes no other; KubeRay would try for ever to make that. */
static int complete_submitter_restart(cJSON *template, struct error *error)
{
    cJSON *pod_spec = json_object_in(template, "spec");
    const char *policy = json_text_or("", pod_spec, "restartPolicy", NULL);
    if (!*policy)
        json_set_text(pod_spec, "restartPolicy", "Never");
    else if (strcmp(policy, "Never") != 0 && strcmp(policy, "OnFailure") != 0)
        return error_set(error, ERROR_INVALID, "spec.submitterPodTemplate.spec.restartPolicy",
                         "spec.submitterPodTemplate.spec.restartPolicy must be Never or OnFailure");
    return 0;
}

static int check_submitter(struct engine *engine, const cJSON *job, cJSON *spec, struct error *error)
{
    static const char *const known[] = {"backoffLimit", NULL};
    cJSON *template = NULL;
    cJSON *config = NULL;
    int64_t limit = 0;
    int r = shape_object(spec, SPEC, "submitterPodTemplate", &template, error);
    if (r == 0)
        r = shape_object(spec, SPEC, "submitterConfig", &config, error);
    if (r == 0)
        r = json_check_known(config, "spec.submitterConfig", known, error);
    if (r == 0)
        r = shape_i64(config, "spec.submitterConfig", "backoffLimit", 0, RAY_RETRIES_MAX, 0, &limit, error);
    if (r < 0)
        return r;
    if (template && !engine_traits(engine)->ray_by_kuberay)
        return error_set(error, ERROR_INVALID, "spec.submitterPodTemplate",
                         "spec.submitterPodTemplate has no meaning here: the platform submits the job itself");
    bool sidecar = strcmp(mode_of(spec), "SidecarMode") == 0;
    if (sidecar && template)
        return error_set(error, ERROR_INVALID, "spec.submitterPodTemplate",
                         "spec.submitterPodTemplate has no meaning in SidecarMode; leave it out");
    if (sidecar && config)
        return error_set(error, ERROR_INVALID, "spec.submitterConfig",
                         "spec.submitterConfig has no meaning in SidecarMode; leave it out");
    const char *restart = json_text(spec, "rayClusterSpec", "headGroupSpec", "template", "spec", "restartPolicy", NULL);
    if (sidecar && restart && *restart && strcmp(restart, "Never") != 0)
        return error_set(error, ERROR_INVALID, "spec.rayClusterSpec.headGroupSpec.template.spec.restartPolicy",
                         "the head's restartPolicy must be absent or Never in SidecarMode");
    r = template ? ray_check_template(engine, spec, SPEC, "submitterPodTemplate", error) : 0;
    if (r == 0 && template)
        r = complete_submitter_restart(template, error);
    if (r == 0 && strcmp(mode_of(spec), "K8sJobMode") == 0)
        ray_complete_submitter(engine, job, spec);
    return r;
}

/* --- when it ends ------------------------------------------------------------------------------------------------- */

static int check_times(const cJSON *spec, struct error *error)
{
    int64_t number = 0;
    int64_t retries = 0;
    int r = shape_i64(spec, SPEC, "activeDeadlineSeconds", 1, RAY_SECONDS_MAX, 0, &number, error);
    if (r == 0)
        r = shape_i64(spec, SPEC, "preRunningDeadlineSeconds", 1, RAY_SECONDS_MAX, 0, &number, error);
    if (r == 0)
        r = shape_i64(spec, SPEC, "backoffLimit", 0, RAY_RETRIES_MAX, 0, &retries, error);
    if (r < 0)
        return r;
    if (retries > 0 && strcmp(mode_of(spec), "InteractiveMode") == 0)
        return error_set(error, ERROR_INVALID, "spec.backoffLimit",
                         "a job in InteractiveMode is not tried again; leave spec.backoffLimit out");
    return 0;
}

static int check_shutdown(const cJSON *spec, struct error *error)
{
    bool shutdown = false;
    bool suspend = false;
    int64_t ttl = 0;
    int r = shape_bool(spec, SPEC, "shutdownAfterJobFinishes", false, &shutdown, error);
    if (r == 0)
        r = shape_bool(spec, SPEC, "suspend", false, &suspend, error);
    if (r == 0)
        r = shape_i64(spec, SPEC, "ttlSecondsAfterFinished", 0, RAY_SECONDS_MAX, 0, &ttl, error);
    if (r < 0)
        return r;
    if (suspend && !shutdown)
        return error_set(error, ERROR_INVALID, "spec.suspend",
                         "spec.suspend needs spec.shutdownAfterJobFinishes: true: suspending removes the cluster");
    if (ttl > 0 && !shutdown)
        return error_set(error, ERROR_INVALID, "spec.ttlSecondsAfterFinished",
                         "spec.ttlSecondsAfterFinished needs spec.shutdownAfterJobFinishes: true");
    return 0;
}

/* --- what is removed when ----------------------------------------------------------------------------------------- */

static const char *const policies[] = {"DeleteWorkers", "DeleteCluster", "DeleteSelf", "DeleteNone", NULL};

static bool on_own_cluster(const char *policy)
{
    return strcmp(policy, "DeleteCluster") == 0 || strcmp(policy, "DeleteWorkers") == 0;
}

static int check_policy(const cJSON *spec, const cJSON *owner, const char *path, const char **ret, struct error *error)
{
    char field[RAY_PATH_MAX];
    int r = shape_text(owner, path, "policy", ret, error);
    if (r < 0)
        return r;
    ray_path(field, path, "policy");
    if (!*ret || !is_one_of(*ret, policies))
        return error_set(error, ERROR_INVALID, field,
                         "%s must be DeleteCluster, DeleteWorkers, DeleteSelf or DeleteNone", field);
    if (has(spec, "clusterSelector") && on_own_cluster(*ret))
        return error_set(error, ERROR_INVALID, field, "%s cannot be %s: the cluster is not the job's own", field, *ret);
    if (strcmp(*ret, "DeleteWorkers") == 0 && json_true(spec, "rayClusterSpec", "enableInTreeAutoscaling", NULL))
        return error_set(error, ERROR_INVALID, field, "%s cannot be DeleteWorkers with autoscaling", field);
    return 0;
}

struct rule {
    const char *policy, *status;
    int64_t ttl;
    int order; /* of its policy: what goes later must not go earlier */
};

static int read_rule(const cJSON *spec, const cJSON *item, const char *path, struct rule *ret, struct error *error)
{
    static const char *const known[] = {"policy", "condition", NULL};
    static const char *const known_condition[] = {"jobStatus", "jobDeploymentStatus", "ttlSeconds", NULL};
    char field[RAY_PATH_MAX];
    cJSON *condition = NULL;
    const char *job = NULL;
    const char *deployment = NULL;
    if (!cJSON_IsObject(item))
        return error_set(error, ERROR_INVALID, path, "%s must be an object", path);
    ray_path(field, path, "condition");
    int r = json_check_known(item, path, known, error);
    if (r == 0)
        r = check_policy(spec, item, path, &ret->policy, error);
    if (r == 0)
        r = shape_object(item, path, "condition", &condition, error);
    if (r == 0)
        r = json_check_known(condition, field, known_condition, error);
    if (r == 0)
        r = shape_text(condition, field, "jobStatus", &job, error);
    if (r == 0)
        r = shape_text(condition, field, "jobDeploymentStatus", &deployment, error);
    if (r == 0)
        r = shape_i64(condition, field, "ttlSeconds", 0, RAY_SECONDS_MAX, 0, &ret->ttl, error);
    if (r < 0)
        return r;
    bool good = job ? !deployment && (strcmp(job, "SUCCEEDED") == 0 || strcmp(job, "FAILED") == 0)
                    : deployment && strcmp(deployment, "Failed") == 0;
    if (!good)
        return error_set(error, ERROR_INVALID, field,
                         "%s must have either jobStatus SUCCEEDED or FAILED, or jobDeploymentStatus Failed", field);
    ret->status = job ? job : deployment;
    for (ret->order = 0; strcmp(policies[ret->order], ret->policy) != 0;)
        ret->order++;
    return 0;
}

static int check_rule_pair(const struct rule *rule, const struct rule *other, const char *path, struct error *error)
{
    if (strcmp(rule->status, other->status) != 0)
        return 0;
    if (rule->order == other->order)
        return error_set(error, ERROR_INVALID, path, "there are two rules for %s after %s", rule->policy, rule->status);
    const struct rule *first = rule->order < other->order ? rule : other;
    const struct rule *then = rule->order < other->order ? other : rule;
    if (strcmp(then->policy, "DeleteNone") != 0 && then->ttl < first->ttl)
        return error_set(error, ERROR_INVALID, path, "after %s, %s (%lld s) must not come before %s (%lld s)",
                         rule->status, then->policy, (long long)then->ttl, first->policy, (long long)first->ttl);
    return 0;
}

static int check_rules(const cJSON *spec, const cJSON *rules, struct error *error)
{
    static const char path[] = "spec.deletionStrategy.deletionRules";
    struct rule seen[RAY_DELETION_RULES_MAX] = {0};
    char at[RAY_PATH_MAX];
    int count = 0;
    if (!cJSON_IsArray(rules) || cJSON_GetArraySize(rules) > RAY_DELETION_RULES_MAX)
        return error_set(error, ERROR_INVALID, path, "%s must be a list of at most %d rules", path,
                         RAY_DELETION_RULES_MAX);
    if (json_true(spec, "shutdownAfterJobFinishes", NULL))
        return error_set(error, ERROR_INVALID, path,
                         "set either spec.shutdownAfterJobFinishes or deletion rules, not both");
    for (const cJSON *item = rules->child; item; item = item->next, count++) {
        ray_path_at(at, "spec.deletionStrategy", "deletionRules", count, "");
        int r = read_rule(spec, item, at, &seen[count], error);
        for (int i = 0; r == 0 && i < count; i++)
            r = check_rule_pair(&seen[count], &seen[i], at, error);
        if (r < 0)
            return r;
    }
    return 0;
}

/* onSuccess and onFailure, from before there were rules: both or none. */
static int check_legacy(const cJSON *spec, const cJSON *strategy, struct error *error)
{
    static const char *const keys[] = {"onSuccess", "onFailure"};
    static const char *const known[] = {"policy", NULL};
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        char path[RAY_PATH_MAX];
        cJSON *side = NULL;
        const char *policy = NULL;
        ray_path(path, "spec.deletionStrategy", keys[i]);
        int r = shape_object(strategy, "spec.deletionStrategy", keys[i], &side, error);
        if (r == 0 && !side)
            r = error_set(error, ERROR_INVALID, path, "%s is missing: both onSuccess and onFailure must be set", path);
        if (r == 0)
            r = json_check_known(side, path, known, error);
        if (r == 0)
            r = check_policy(spec, side, path, &policy, error);
        if (r < 0)
            return r;
        if (strcmp(policy, "DeleteNone") == 0 && json_true(spec, "shutdownAfterJobFinishes", NULL))
            return error_set(error, ERROR_INVALID, path, "%s keeps what spec.shutdownAfterJobFinishes removes", path);
    }
    return 0;
}

static int check_deletion(const cJSON *spec, struct error *error)
{
    static const char *const known[] = {"deletionRules", "onSuccess", "onFailure", NULL};
    cJSON *strategy = NULL;
    int r = shape_object(spec, SPEC, "deletionStrategy", &strategy, error);
    if (r < 0 || !strategy)
        return r;
    r = json_check_known(strategy, "spec.deletionStrategy", known, error);
    if (r < 0)
        return r;
    const cJSON *rules = json_member(strategy, "deletionRules");
    bool legacy = has(strategy, "onSuccess") || has(strategy, "onFailure");
    if (rules && (!cJSON_IsArray(rules) || rules->child)) {
        if (legacy)
            return error_set(error, ERROR_INVALID, "spec.deletionStrategy.deletionRules",
                             "set either deletionRules or onSuccess and onFailure, not both");
        return check_rules(spec, rules, error);
    }
    if (legacy)
        return check_legacy(spec, strategy, error);
    return error_set(error, ERROR_INVALID, "spec.deletionStrategy.deletionRules",
                     "spec.deletionStrategy needs at least one rule in deletionRules");
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

/* KubeRay reads these once, when the job begins: a later change would be kept and never looked at. */
static int check_change(const cJSON *old, const cJSON *spec, struct error *error)
{
    static const char *const fixed[] = {
        "entrypoint", "rayClusterSpec", "clusterSelector",   "submissionMode",    "jobId",
        "metadata",   "runtimeEnvYAML", "entrypointNumCpus", "entrypointNumGpus", "entrypointResources"};
    const char *reached = json_text_or("", old, "status", "jobDeploymentStatus", NULL);
    if (!*reached || strcmp(reached, "Suspended") == 0 || strcmp(reached, "ValidationFailed") == 0)
        return 0;
    for (size_t i = 0; i < COUNT_OF(fixed); i++) {
        const cJSON *was = json_at(old, SPEC, fixed[i], NULL);
        const cJSON *is = json_member(spec, fixed[i]);
        char field[RAY_PATH_MAX];
        if ((!was && !is) || json_equal(was, is))
            continue;
        /* InteractiveMode waits for the id of what a person has submitted. */
        if (strcmp(fixed[i], "jobId") == 0 && strcmp(reached, "Waiting") == 0 && !was)
            continue;
        ray_path(field, SPEC, fixed[i]);
        return error_set(error, ERROR_INVALID, field,
                         "%s cannot change once the job has begun; suspend it first, or create another job", field);
    }
    return 0;
}

static int check_managed_by(const cJSON *spec, struct error *error)
{
    const char *by = NULL;
    int r = shape_text(spec, SPEC, "managedBy", &by, error);
    if (r == 0 && by && strcmp(by, "ray.io/kuberay-operator") != 0)
        return error_set(error, ERROR_INVALID, "spec.managedBy",
                         "spec.managedBy must be absent or ray.io/kuberay-operator");
    return r;
}

static int check_spec(struct engine *engine, const cJSON *job, cJSON *spec, struct error *error)
{
    static const char *const known[] = {"entrypoint",
                                        "rayClusterSpec",
                                        "clusterSelector",
                                        "submissionMode",
                                        "jobId",
                                        "metadata",
                                        "runtimeEnvYAML",
                                        "entrypointNumCpus",
                                        "entrypointNumGpus",
                                        "entrypointResources",
                                        "activeDeadlineSeconds",
                                        "preRunningDeadlineSeconds",
                                        "backoffLimit",
                                        "submitterPodTemplate",
                                        "submitterConfig",
                                        "shutdownAfterJobFinishes",
                                        "ttlSecondsAfterFinished",
                                        "suspend",
                                        "deletionStrategy",
                                        "managedBy",
                                        NULL};
    int r = json_check_known(spec, SPEC, known, error);
    if (r == 0)
        r = check_entrypoint(spec, error);
    if (r == 0)
        r = check_shutdown(spec, error);
    if (r == 0)
        r = check_times(spec, error);
    if (r == 0)
        r = check_managed_by(spec, error);
    if (r == 0)
        r = check_cluster(engine, job, spec, error);
    if (r == 0)
        r = check_deletion(spec, error);
    return r < 0 ? r : check_submitter(engine, job, spec, error);
}

int ray_job_admit(struct engine *engine, const cJSON *old, cJSON *job, struct error *error)
{
    cJSON *spec = NULL;
    int r = ray_check_metadata("RayJob", RAY_OWNER_NAME_MAX, old, job, &spec, error);
    if (r == 0 && !old)
        r = ray_check_followed(engine, "RayJob", error);
    if (r == 0)
        r = check_spec(engine, job, spec, error);
    if (r == 0 && !old)
        r = check_sidecar_rights(engine, job, spec, error);
    if (r == 0)
        ray_complete_head_env(engine, json_at(old, SPEC, "rayClusterSpec", NULL), json_member(spec, "rayClusterSpec"));
    if (r < 0 || !old)
        return r;
    AUTO_JSON cJSON *was = json_copy(old);
    (void)check_spec(engine, was, json_object_in(was, SPEC), NULL); /* completed as this one was */
    return check_change(was, spec, error);
}
