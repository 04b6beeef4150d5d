/* Row numbers in paths ("…/tokens/{id}"). */
#ifndef ATELIER_CONTROLPLANE_IDS_H
#define ATELIER_CONTROLPLANE_IDS_H

#include "controlplane/call.h"

/* The parameter {id}; NOT_FOUND for what cannot be one. Becomes the audit entry's name. */
static inline int ids_parse(struct call *call, int64_t *ret, struct error *error)
{
    call->name = call_parameter(call, "id");
    if (text_parse_i64(slice_of(call->name), 1, INT64_MAX, ret))
        return 0;
    return error_set(error, ERROR_NOT_FOUND, NULL, "%s", error_text(ERROR_NOT_FOUND));
}

#endif
