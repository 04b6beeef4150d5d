/* What of a finished RayJob is removed, and when? */
#include "base/clock.h"
#include "engine/local/rayjob.h"
#include "engine/local/rayowned.h"

/* In the order in which they are done when several are due: the most destructive first, after which the others have
 * nothing left to do. */
static const char *const policies[] = {"DeleteSelf", "DeleteCluster", "DeleteWorkers"};

static int64_t ended_ms(const struct rayjob_pass *pass)
{
    int64_t ended = 0;
    (void)clock_parse(slice_of(rayjob_text(pass, "endTime")), &ended);
    return ended;
}

static int64_t seconds(const cJSON *value)
{
    int64_t number = 0;
    (void)json_i64(value, &number);
    return number;
}

/* True if it is due; otherwise the pass comes back when it is. */
static bool is_due(struct rayjob_pass *pass, int64_t ttl_s)
{
    int64_t left = ended_ms(pass) + ttl_s * 1000 - clock_wall_ms();
    if (left > 0)
        rayjob_again(pass, left);
    return left <= 0;
}

/* --- deleting ----------------------------------------------------------------------------------------------------- */

static int suspend_groups(void *context, const cJSON *current, cJSON **ret, struct error *error)
{
    cJSON *changed = json_copy(current), *group;
    (void)context;
    (void)error;
    cJSON_ArrayForEach(group, json_at(changed, "spec", "workerGroupSpecs", NULL))
    {
        json_set_bool(group, "suspend", true);
    }
    *ret = changed;
    return 0;
}

static int delete_workers(struct rayjob_pass *pass, struct error *error)
{
    if (!pass->cluster || !object_controlled_by(pass->cluster, pass->job->uid))
        return 0;
    int r = objects_change_seen(pass->local->objects, pass->cluster, ENGINE_SPEC, suspend_groups, NULL, NULL, error);
    return r == -ERROR_NOT_FOUND ? 0 : r;
}

static int delete_cluster(struct rayjob_pass *pass, struct error *error)
{
    bool gone;
    if (json_member(pass->spec, "clusterSelector"))
        return 0; /* it is not the job's */
    return ray_owned_remove(pass->local, pass->job, rayjob_text(pass, "rayClusterName"), "the job has ended", &gone,
                            error);
}

static int delete_self(struct rayjob_pass *pass, struct error *error)
{
    int r = objects_delete(pass->local->objects, KIND_RAYJOB, pass->job->namespace, pass->job->name, pass->job->uid,
                           NULL, error);
    return r == -ERROR_NOT_FOUND ? 0 : r;
}

static int apply_policy(struct rayjob_pass *pass, const char *policy, struct error *error)
{
    if (strcmp(policy, "DeleteSelf") == 0)
        return delete_self(pass, error);
    if (strcmp(policy, "DeleteCluster") == 0)
        return delete_cluster(pass, error);
    return strcmp(policy, "DeleteWorkers") == 0 ? delete_workers(pass, error) : 0;
}

/* --- what the spec says ------------------------------------------------------------------------------------------- */

static bool rule_is_about(const struct rayjob_pass *pass, const cJSON *rule)
{
    const cJSON *condition = json_member(rule, "condition");
    const char *job = json_text(condition, "jobStatus", NULL);
    return job ? strcmp(job, rayjob_text(pass, "jobStatus")) == 0
               : strcmp(json_text_or("", condition, "jobDeploymentStatus", NULL),
                        rayjob_text(pass, "jobDeploymentStatus")) == 0;
}

static int apply_rules(struct rayjob_pass *pass, const cJSON *rules, struct error *error)
{
    const cJSON *rule;
    const char *chosen = NULL;
    for (size_t i = 0; i < COUNT_OF(policies); i++)
        cJSON_ArrayForEach(rule, rules)
        {
            if (strcmp(json_text_or("", rule, "policy", NULL), policies[i]) != 0 || !rule_is_about(pass, rule))
                continue;
            if (is_due(pass, seconds(json_at(rule, "condition", "ttlSeconds", NULL))) && !chosen)
                chosen = policies[i];
        }
    return chosen ? apply_policy(pass, chosen, error) : 0;
}

int rayjob_clean(struct rayjob_pass *pass, struct error *error)
{
    const cJSON *strategy = json_member(pass->spec, "deletionStrategy");
    const cJSON *rules = json_member(strategy, "deletionRules");
    int64_t ttl_s = seconds(json_member(pass->spec, "ttlSecondsAfterFinished"));
    if (cJSON_GetArraySize(rules) > 0)
        return apply_rules(pass, rules, error);
    const char *side = strcmp(rayjob_text(pass, "jobStatus"), "SUCCEEDED") == 0 ? "onSuccess" : "onFailure";
    const char *policy = json_text(strategy, side, "policy", NULL);
    if (!policy && json_true(pass->spec, "shutdownAfterJobFinishes", NULL))
        policy = "DeleteCluster";
    return policy && is_due(pass, ttl_s) ? apply_policy(pass, policy, error) : 0;
}
