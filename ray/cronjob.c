/* May this RayCronJob be stored as it is? */
#include "ray/internal.h"

#include "tenancy/shape.h"

#define TEMPLATE "spec.jobTemplate"

static int check_schedule(const cJSON *spec, struct error *error)
{
    const char *schedule = NULL;
    int r = shape_text(spec, "spec", "schedule", &schedule, error);
    if (r < 0)
        return r;
    if (!schedule || !*schedule)
        return error_set(error, ERROR_INVALID, "spec.schedule",
                         "spec.schedule is missing; expected such as \"0 3 * * *\"");
    if (strstr(schedule, "TZ")) /* KubeRay's rule */
        return error_set(error, ERROR_INVALID, "spec.schedule",
                         "spec.schedule names no time zone; spec.timeZone does, such as \"Europe/Berlin\"");
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
    int r = shape_object(cron, "", "spec", &spec, error);
    if (r == 0)
        r = check_schedule(spec, error);
    if (r == 0)
        r = shape_object(spec, "spec", "jobTemplate", &template, error);
    if (r < 0)
        return r;
    if (!template)
        return error_set(error, ERROR_INVALID, TEMPLATE, TEMPLATE " is missing; expected the spec of a RayJob");
    const cJSON *was = json_at(old, "spec", "jobTemplate", NULL);
    if (was && json_equal(was, template)) /* such as one that is suspended */
        return 0;
    AUTO_JSON cJSON *job = job_of(cron, template);
    if (ray_job_admit(engine, NULL, job, &fault) < 0)
        return refuse(&fault, error);
    json_set(spec, "jobTemplate", json_copy(json_member(job, "spec")));
    return 0;
}
