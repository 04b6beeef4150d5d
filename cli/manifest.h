/* Manifests from a file or stdin: YAML (many documents) or JSON, Lists unfolded. */
#ifndef ATELIER_CLI_MANIFEST_H
#define ATELIER_CLI_MANIFEST_H

#include "base/json.h"
#include "cli/command.h"
#include "cli/resource.h"

#define MANIFEST_BYTES_MAX ((size_t)4 * 1024 * 1024)
/* <path> "-" is stdin. *ret_array holds one object a manifest, in order; at least one. */
int manifest_read_all(const char *path, cJSON **ret_array, struct error *error);
/* Which kind, name and namespace; the namespace comes from the manifest, else from the call; both must agree. */
struct manifest {
    const struct resource *resource;
    const char *name;      /* the object's */
    const char *namespace; /* NULL for kinds that have none */
};
int manifest_target(struct call *call, const cJSON *object, struct manifest *ret, struct error *error);

#endif
