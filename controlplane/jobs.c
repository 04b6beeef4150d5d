/* Which runs of RayJobs are known, and what have they printed? */
#include "controlplane/handlers.h"

/* Exactly what reading each RayJob by name would allow. */
static void keep_visible(const struct call *call, cJSON *items)
{
    cJSON *item = items ? items->child : NULL, *next;
    for (; item; item = next) {
        next = item->next;
        const char *name = json_text_or("", item, "name", NULL);
        if (!call_decide(call, call->namespace, "RayJob", name, VERB_GET).allowed)
            cJSON_Delete(cJSON_DetachItemViaPointer(items, item));
    }
}

int jobs_list(struct call *call, struct error *error)
{
    AUTO_JSON cJSON *list = NULL;
    int status = engine_job_history(call->server->engine, call->namespace, NULL, &list, error);
    if (status < 0)
        return status;
    keep_visible(call, json_member(list, "items"));
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
    int status =
        engine_job_log(call->server->engine, call->namespace, name, run && *run ? run : NULL, &text, &cut, error);
    if (status < 0)
        return status;
    response_status(call->response, 200);
    response_header(call->response, "Cache-Control", "no-store");
    response_header(call->response, "X-Atelier-Log-Cut", cut ? "true" : "false");
    response_body(call->response, "text/plain; charset=utf-8", slice_of(text));
    return 0;
}
