/* How is a RayJob made, stopped, suspended and run again? Its runs are in runs.c, jobs of a standing cluster in job.c.
 */
#include "cli/client.h"
#include "cli/object.h"
#include "cli/ray.h"
#include "cli/verbs.h"

#define RETRIES_MAX 100      /* ray/internal.h: RAY_RETRIES_MAX */
#define SECONDS_MAX 31536000 /* a year */
#define AGAIN_MAX 1000       /* names tried: train-2, train-3, … */
#define JOB_NAME_MAX 47      /* its cluster's name is "<name>-xxxxx" */

static int add_limits(const struct call *call, cJSON *spec, struct error *error)
{
    static const struct {
        const char *option, *key;
        int64_t least, most;
    } limits[] = {{"retries", "backoffLimit", 0, RETRIES_MAX},
                  {"deadline", "activeDeadlineSeconds", 1, SECONDS_MAX},
                  {"keep-cluster", "ttlSecondsAfterFinished", 0, SECONDS_MAX}};
    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        int64_t value;
        if (!call_option(call, limits[i].option))
            continue;
        int failed = call_number(call, limits[i].option, limits[i].least, limits[i].most, 0, &value, error);
        if (failed)
            return failed;
        json_set_i64(spec, limits[i].key, value);
    }
    return 0;
}

/* What describes a cluster that is to be made says nothing about one that is there: told, rather than dropped. */
static int check_chosen(const struct call *call, struct error *error)
{
    static const char *const allowed[] = {"cluster", "env",    "retries",   "deadline", "working-dir", "runtime-env",
                                          "dry-run", "output", "namespace", "context",  "quiet",       NULL};
    for (unsigned i = 0; i < call->option_count; i++) {
        const char *name = call->options[i].option->name;
        const char *const *known = allowed;
        while (*known && strcmp(*known, name) != 0)
            known++;
        if (!*known)
            return call_usage(error, "--%s is about a cluster made for the job, and --cluster takes one that is there",
                              name);
    }
    return 0;
}

static int add_runtime(struct call *call, const char *cluster, cJSON *spec, struct error *error)
{
    AUTO_JSON cJSON *runtime_env = json_object();
    AUTO_BUFFER struct buffer text = {0};
    int failed = ray_fill_runtime(call, cluster, cluster != NULL, runtime_env, error);
    if (failed || !runtime_env->child)
        return failed;
    yaml_print(runtime_env, &text);
    json_set_text(spec, "runtimeEnvYAML", text.p);
    return 0;
}

int verb_job_create(struct call *call, struct error *error)
{
    const char *cluster = call_option(call, "cluster");
    AUTO_JSON cJSON *object = json_object();
    AUTO_FREE char *entrypoint = ray_entrypoint(call);
    json_set_text(object, "apiVersion", "ray.io/v1");
    json_set_text(object, "kind", "RayJob");
    json_set_text(json_object_in(object, "metadata"), "name", call->arguments[0]);
    cJSON *spec = json_object_in(object, "spec");
    if (!entrypoint[0])
        return call_usage(error, "job create needs the command to run, after --");
    json_set_text(spec, "entrypoint", entrypoint);
    int failed = cluster ? check_chosen(call, error) : 0;
    if (!failed)
        failed = add_limits(call, spec, error);
    if (!failed)
        failed = add_runtime(call, cluster, spec, error);
    if (failed)
        return failed;
    if (cluster) {
        json_set_text(json_object_in(spec, "clusterSelector"), "ray.io/cluster", cluster);
    } else {
        json_set_bool(spec, "shutdownAfterJobFinishes", true);
        failed = ray_render_cluster(call, 0, json_object_in(spec, "rayClusterSpec"), error);
    }
    return failed ? failed : create_object(call, resource_by_word("rayjobs"), object, error);
}

int verb_job_suspend(struct call *call, struct error *error)
{
    return suspend_object(call, "rayjobs", true, error);
}

int verb_job_resume(struct call *call, struct error *error)
{
    return suspend_object(call, "rayjobs", false, error);
}

/* Ray's own Jobs API stops the driver; the RayJob then tells how it ended. */
int verb_job_stop(struct call *call, struct error *error)
{
    const char *namespace = NULL;
    AUTO_JSON cJSON *job = NULL;
    int failed = call_namespace(call, &namespace, error);
    if (!failed)
        failed = object_get(call, resource_by_word("rayjobs"), call->arguments[0], &job, error);
    const char *cluster = json_text(job, "status", "rayClusterName", NULL);
    const char *id = json_text(job, "status", "jobId", NULL);
    const char *phase = json_text_or("", job, "status", "jobDeploymentStatus", NULL);
    if (!failed && (!cluster || !id || strcmp(phase, "Running") != 0))
        failed = error_set(error, ERROR_CONFLICT, NULL, "rayjob/%s does not run now (%s)", call->arguments[0],
                           phase[0] ? phase : "not started");
    if (failed)
        return failed;
    AUTO_FREE char *path = client_path("/ray", namespace, cluster, "api", "jobs", id, "stop", NULL);
    AUTO_FREE char *line = memory_format("rayjob.ray.io/%s stopping", call->arguments[0]);
    failed = client_json(call, "POST", path, NULL, NULL, error);
    return failed ? failed : print_done(call, NULL, line, error);
}

/* "train" and "train-2" have "train" as their base. */
static size_t base_length(const char *name)
{
    size_t n = strlen(name);
    size_t digits = n;
    while (digits && name[digits - 1] >= '0' && name[digits - 1] <= '9')
        digits--;
    if (digits < n && digits > 1 && name[digits - 1] == '-')
        n = digits - 1;
    return n < JOB_NAME_MAX - 5 ? n : JOB_NAME_MAX - 5;
}

/* The same once more, under a name of its own: what has ended stays as it is. */
int verb_job_rerun(struct call *call, struct error *error)
{
    const struct resource *resource = resource_by_word("rayjobs");
    const char *name = call->arguments[0];
    AUTO_JSON cJSON *job = NULL;
    int failed = object_get(call, resource, name, &job, error);
    if (failed)
        return failed;
    AUTO_JSON cJSON *object = json_object();
    json_set_text(object, "apiVersion", "ray.io/v1");
    json_set_text(object, "kind", "RayJob");
    cJSON *spec = json_set(object, "spec", json_copy(json_member(job, "spec")));
    json_remove(spec, "jobId");
    json_remove(spec, "suspend");
    failed = -ERROR_EXISTS;
    for (int number = 2; failed == -ERROR_EXISTS && number < AGAIN_MAX; number++) {
        AUTO_FREE char *next = memory_format("%.*s-%d", (int)base_length(name), name, number);
        json_set_text(json_object_in(object, "metadata"), "name", next);
        *error = (struct error){0};
        failed = create_object(call, resource, object, error);
    }
    return failed;
}

int verb_job_delete(struct call *call, struct error *error)
{
    return delete_objects(call, "rayjobs", error);
}
