/* JSON Patch (RFC 6902): applied to a copy, bounded in operations and in what `copy` may make of a document; and made.
 */
#ifndef ATELIER_BASE_JSON_PATCH_H
#define ATELIER_BASE_JSON_PATCH_H

#include "base/json.h"

/* As kube-apiserver (and unlike the RFC), `replace` of an absent member of an object adds it: Ray's autoscaler does
 * that with scaleStrategy. *ret is a new tree, the caller's; <target> and <patch> are borrowed. INVALID when an
 * operation does not apply or a `test` fails; BAD_REQUEST when the patch itself is malformed. Nothing is half applied.
 */
int json_patch(const cJSON *target, const cJSON *patch, cJSON **ret, struct error *error);
/* The patch, an array, that makes <after> of <before>; the caller's. Objects are compared member by member, lists are
 * replaced whole: nobody's item is ever taken for another's. */
cJSON *json_difference(const cJSON *before, const cJSON *after);

#endif
