/* Which suspended cluster does a request start again, and how? */
#include "ray/resume.h"

enum { TRIES = 5 }; /* of a write that another one crosses */

static bool owned(const cJSON *cluster)
{
    const cJSON *owners = json_at(cluster, "metadata", "ownerReferences", NULL);
    return owners && owners->child;
}

bool ray_resumes(const cJSON *cluster, enum idle_resume profile)
{
    enum idle_resume said = idle_resume_said(cluster);
    if (said == IDLE_RESUME_UNSAID)
        said = profile;
    if (!json_true(cluster, "spec", "suspend", NULL) || owned(cluster) ||
        json_text(cluster, "metadata", "deletionTimestamp", NULL))
        return false;
    return said == IDLE_RESUME_ALWAYS || (said == IDLE_RESUME_IDLE && engine_suspended_idle(cluster));
}

bool ray_is_starting(const cJSON *cluster)
{
    const cJSON *head = json_condition(cluster, "HeadPodReady");
    bool unseen = !json_at(cluster, "status", "conditions", NULL); /* or KubeRay is one that says nothing */
    return !json_true(cluster, "spec", "suspend", NULL) && (head || unseen) &&
           strcmp(json_text_or("", head, "status", NULL), "True") != 0;
}

/* What was read is what is started: a click on "suspend" that crosses this wins. */
static int start(struct engine *engine, const cJSON *cluster, struct error *error)
{
    AUTO_JSON cJSON *patch = json_object();
    json_set_text(json_object_in(patch, "metadata"), "resourceVersion",
                  json_text(cluster, "metadata", "resourceVersion", NULL));
    json_set(json_object_in(patch, "spec"), "suspend", cJSON_CreateFalse());
    return engine_patch(engine, KIND_RAYCLUSTER, json_text(cluster, "metadata", "namespace", NULL),
                        json_text(cluster, "metadata", "name", NULL), ENGINE_SPEC, ENGINE_PATCH_MERGE, patch, NULL,
                        error);
}

static int try_to_resume(struct engine *engine, const char *namespace, const char *name, const char *person,
                         bool *ret_resumed, struct error *error)
{
    AUTO_JSON cJSON *cluster = NULL;
    AUTO_JSON cJSON *profile = NULL;
    int r = engine_get(engine, KIND_RAYCLUSTER, namespace, name, &cluster, error);
    if (r < 0)
        return r;
    r = engine_get(engine, KIND_PROFILE, NULL, namespace, &profile, error);
    if (r < 0 && r != -ERROR_NOT_FOUND)
        return r;
    if (!ray_resumes(cluster, idle_resume_said(profile)))
        return 0;
    r = start(engine, cluster, error);
    if (r < 0)
        return r;
    *ret_resumed = true;
    engine_event(engine, cluster, "Normal", "Resumed", "resumed by a request of %.254s", person);
    return 0;
}

int ray_resume(struct engine *engine, const char *namespace, const char *name, const char *person, bool *ret_resumed,
               struct error *error)
{
    int r = -ERROR_CONFLICT;
    *ret_resumed = false;
    for (int i = 0; i < TRIES && r == -ERROR_CONFLICT; i++) {
        *error = (struct error){0};
        r = try_to_resume(engine, namespace, name, person, ret_resumed, error);
    }
    return r;
}
