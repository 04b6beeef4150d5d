/*
 * Services that this person has signed in to, kept between calls: ${XDG_CONFIG_HOME:-~/.config}/atelier/contexts.json,
 * mode 0600, written whole or not at all.
 *
 * A context is a name for a service's URL, a token for it, the CA that its certificate comes from, and the profile to
 * work in. "local" always means the service of this machine, over its admin socket, and needs no entry.
 */
#ifndef ATELIER_CLI_CONTEXT_H
#define ATELIER_CLI_CONTEXT_H

#include "base/json.h"

struct context {
    char *name, *url, *token, *ca_file, *namespace; /* NULL: not given */
    char *token_id; /* of a token that was made for this context alone; NULL: the person's own */
};
/* <name> NULL: the current one. *ret stays empty (name NULL) if there is none, or if it is "local". INVALID if the file
 * cannot be understood; NOT_FOUND if it has no such context. */
int context_find(const char *name, struct context *ret, struct error *error);
void context_free(struct context *context); /* wipes the token */

/* Adds or replaces one and makes it the current one. */
int context_save(const struct context *context, struct error *error);
/* <namespace>: the profile to work in there from now on; NULL: as before. INVALID for "local", which keeps none. */
int context_use(const char *name, const char *namespace, struct error *error);
int context_remove(const char *name, struct error *error);
/* [{"name","url","namespace","current":true}], without tokens. */
int context_list(cJSON **ret_array, struct error *error);

#endif
