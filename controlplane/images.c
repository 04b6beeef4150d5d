/* Which images can a notebook or a Ray node run? */
#include "controlplane/handlers.h"

int images_list(struct call *call, struct error *error)
{
    cJSON *items = NULL;
    int status = engine_images(call->server->engine, &items, error);
    if (status == 0)
        call_items(call, items);
    return status;
}
