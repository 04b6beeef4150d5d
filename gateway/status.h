/*
 * Kubernetes `Status` objects as error bodies, and problem details where people have an API of their own. The API uses
 * the same functions, so that a foreign, an absent and an invisible object give the same bytes wherever they are asked
 * for.
 */
#ifndef ATELIER_GATEWAY_STATUS_H
#define ATELIER_GATEWAY_STATUS_H

#include "base/error.h"
#include "base/text.h"

/* {"kind":"Status",…,"reason":<reason>,"code":<code>}; details only where they are missed, empty: in a 404. Appends. */
void status_print(struct buffer *ret, int code, const char *reason, const char *message);
/* With details {"name","group","kind":<plural>} as apimachinery writes them; <group> "" is left out. */
void status_print_object(struct buffer *ret, int code, const char *reason, const char *message, const char *group,
                         const char *plural, const char *name);
/* 404: `notebooks.kubeflow.org "nb1" not found`. */
void status_not_found(struct buffer *ret, const char *group, const char *plural, const char *name);
/* 403: `notebooks.kubeflow.org "nb1" is forbidden: <why>`. */
void status_forbidden(struct buffer *ret, const char *group, const char *plural, const char *name, const char *why);
/* What an error says, by its code; <error>->field goes to details.causes. */
void status_error(struct buffer *ret, const struct error *error);
/* True for what people's own API answers (/api/atelier/…, /auth/…): its errors are problem details. */
bool status_is_people(struct slice path);
/* {"type","title","status","detail","field","requestId"} (RFC 9457); <field> and <id> may be "". Appends. */
void status_problem(struct buffer *ret, int code, const char *title, const char *detail, const char *field,
                    const char *id);
/* Kubernetes' reason for an HTTP status ("BadRequest"); static. */
const char *status_reason(int code);

#endif
