/* Which images can a notebook or a Ray node run? */
#include "controlplane/handlers.h"

int images_list(struct call *call, struct error *error)
{
    cJSON *items = NULL;
    int status = engine_images(call->server->engine, &items, error);
    if (status < 0)
        return status;
    AUTO_JSON cJSON *answer = json_object();
    json_set(answer, "items", items);
    call_json(call, 200, answer);
    return 0;
}
