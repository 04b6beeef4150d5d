/* Which runs of RayJobs are known, and what have they printed? */
#include "controlplane/handlers.h"
#include "ray/ray.h"

enum { RUN_ID_MAX = 253 }; /* bytes; Ray has no rule of its own */

int jobs_list(struct call *call, struct error *error)
{
    AUTO_JSON cJSON *list = NULL;
    int status = engine_job_history(call->server->engine, call->namespace, NULL, &list, error);
    if (status == 0 && cJSON_GetArraySize(json_member(list, "items")) == 0)
        status = call_profile_exists(call, call->namespace, error);
    if (status < 0)
        return status;
    call_keep_readable(call, call->namespace, "RayJob", json_member(list, "items"));
    call_json(call, 200, list);
    return 0;
}

int jobs_get(struct call *call, struct error *error)
{
    AUTO_JSON cJSON *list = NULL;
    const char *name = call_parameter(call, "name");
    int status = engine_job_history(call->server->engine, call->namespace, name, &list, error);
    if (status == 0 && cJSON_GetArraySize(json_member(list, "items")) == 0)
        status = error_set(error, ERROR_NOT_FOUND, NULL, "%s", error_text(ERROR_NOT_FOUND));
    if (status < 0)
        return status;
    call_json(call, 200, list);
    return 0;
}

int jobs_log(struct call *call, struct error *error)
{
    AUTO_FREE char *text = NULL;
    bool cut = false;
    const char *name = call_parameter(call, "name");
    const char *run = request_query(call->request, "jobId");
    if (run && (!*run || strlen(run) > RUN_ID_MAX || !text_is_utf8(slice_of(run))))
        return error_set(error, ERROR_BAD_REQUEST, "jobId", "jobId must be that of a run of the job");
    int status = ray_job_log(call->server->engine, call->namespace, name, run, &text, &cut, error);
    if (status < 0)
        return status;
    response_status(call->response, 200);
    response_header(call->response, "Cache-Control", "no-store");
    response_header(call->response, "X-Atelier-Log-Cut", cut ? "true" : "false");
    response_body(call->response, "text/plain; charset=utf-8", slice_of(text));
    return 0;
}
