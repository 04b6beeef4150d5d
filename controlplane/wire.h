/* Objects on the wire: JSON or YAML in, JSON or YAML out. */
#ifndef ATELIER_CONTROLPLANE_WIRE_H
#define ATELIER_CONTROLPLANE_WIRE_H

#include "controlplane/call.h"
#include "controlplane/table.h"

enum wire_type {
    WIRE_JSON,
    WIRE_YAML,
    WIRE_PROTOBUF,
    WIRE_MERGE_PATCH,
    WIRE_JSON_PATCH,
    WIRE_STRATEGIC_PATCH,
    WIRE_APPLY_PATCH
};
/* By Content-Type; none means JSON. MEDIA_TYPE for anything else. Patches are allowed for PATCH only, and nothing else.
 */
int wire_type(const struct request *request, enum wire_type *ret, struct error *error);
/* True for a patch that names the version it was made for: it must not be tried on another one. */
bool wire_names_version(enum wire_type type, const cJSON *patch);
int wire_read(const struct request *request, enum wire_type type, cJSON **ret, struct error *error);
/* True when the client would rather have a Table (meta.k8s.io/v1) than the object or list itself; *ret_include is what
 * it wants along with each row. BAD_REQUEST if that makes no sense. */
int wire_table(const struct request *request, bool *ret, enum table_include *ret_include, struct error *error);
/* NOT_ACCEPTABLE when the client takes neither JSON nor YAML. */
int wire_check_accept(const struct request *request, struct error *error);
void wire_answer(const struct call *call, int status, const cJSON *object);

#endif
