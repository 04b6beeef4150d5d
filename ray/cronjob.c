/* May this RayCronJob be stored as it is? */
#include "ray/internal.h"

#include "base/cron.h"
#include "tenancy/shape.h"

#define TEMPLATE "spec.jobTemplate"
#define CRON_NAME_MAX 36 /* its RayJobs are "<name>-xxxxxxxxxx" (KubeRay's own limit) */

bool ray_is_cron_job(const char *group, const char *name)
{
    return strcmp(group, "ray.io") == 0 && (strcmp(name, "raycronjobs") == 0 || strcmp(name, "RayCronJob") == 0);
}

/* The name of one that is there cannot change. */
static int check_name(const cJSON *old, const cJSON *cron, struct error *error)
{
    return old ? 0 : shape_workload_name("RayCronJob", json_text(cron, "metadata", "name", NULL), CRON_NAME_MAX, error);
}

static int check_schedule(const cJSON *old, const cJSON *spec, struct error *error)
{
    const char *schedule = NULL;
    char fault[160];
    int r = shape_text(spec, "spec", "schedule", &schedule, error);
    if (r < 0)
        return r;
    if (!schedule || !*schedule)
        return error_set(error, ERROR_INVALID, "spec.schedule",
                         "spec.schedule is missing; expected such as \"0 3 * * *\"");
    if (strstr(schedule, "TZ")) /* KubeRay's rule */
        return error_set(error, ERROR_INVALID, "spec.schedule",
                         "spec.schedule names no time zone; spec.timeZone does, such as \"Europe/Berlin\"");
    if (strcmp(schedule, json_text_or("", old, "spec", "schedule", NULL)) == 0) /* such as one that is suspended */
        return 0;
    if (!cron_check(slice_of(schedule), fault, sizeof(fault)))
        return error_set(error, ERROR_INVALID, "spec.schedule", "spec.schedule is no time of cron's: %s", fault);
    return 0;
}

/* The RayJob that KubeRay will make of it. */
static cJSON *job_of(const cJSON *cron, const cJSON *template)
{
    cJSON *job = json_object(), *metadata = json_object_in(job, "metadata");
    json_set_text(job, "apiVersion", "ray.io/v1");
    json_set_text(job, "kind", "RayJob");
    json_set_text(metadata, "name", json_text(cron, "metadata", "name", NULL));
    json_set_text(metadata, "namespace", json_text(cron, "metadata", "namespace", NULL));
    json_set(job, "spec", json_copy(template));
    return job;
}

/* What the jobs are told is told where it stands. */
static int refuse(const struct error *fault, struct error *error)
{
    bool within = strncmp(fault->field, "spec", 4) == 0;
    AUTO_FREE char *field = memory_format("%s%s", within ? TEMPLATE : "", within ? fault->field + 4 : fault->field);
    return error_set(error, fault->code, field, "its jobs: %.480s", fault->message);
}

int ray_cron_job_admit(struct engine *engine, const cJSON *old, cJSON *cron, struct error *error)
{
    cJSON *spec = NULL, *template = NULL;
    struct error fault = {0};
    int r = check_name(old, cron, error);
    if (r == 0)
        r = shape_object(cron, "", "spec", &spec, error);
    if (r == 0)
        r = check_schedule(old, spec, error);
    if (r == 0)
        r = shape_object(spec, "spec", "jobTemplate", &template, error);
    if (r < 0)
        return r;
    if (!template)
        return error_set(error, ERROR_INVALID, TEMPLATE, TEMPLATE " is missing; expected the spec of a RayJob");
    const cJSON *was = json_at(old, "spec", "jobTemplate", NULL);
    if (was && json_equal(was, template))
        return 0;
    AUTO_JSON cJSON *job = job_of(cron, template);
    if (ray_job_admit(engine, NULL, job, &fault) < 0)
        return refuse(&fault, error);
    json_set(spec, "jobTemplate", json_copy(json_member(job, "spec")));
    return 0;
}
