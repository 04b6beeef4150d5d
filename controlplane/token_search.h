/*
 * The tokens of Ray clusters for each of which KubeRay makes a Secret of its own (ray/token.h), a little after the
 * cluster. Nobody follows those Secrets: a thread reads each until it is there, and no longer.
 *
 * A token belongs to the cluster it was found for, by uid; a later cluster of the same name is looked for anew. Any
 * thread may call these; a mutex guards all of it, and is not held while a Secret is read.
 */
#ifndef ATELIER_CONTROLPLANE_TOKEN_SEARCH_H
#define ATELIER_CONTROLPLANE_TOKEN_SEARCH_H

#include "engine/engine.h"

struct token_search;
int token_search_new(struct engine *engine, struct token_search **ret, struct error *error); /* <engine> is borrowed */
void token_search_free(struct token_search *search); /* NULL is fine; waits for a read under way */

/* A RayCluster is there, or has changed; one that has no Secret of its own is forgotten. */
void token_search_follow(struct token_search *search, const cJSON *cluster);
void token_search_forget(struct token_search *search, const char *namespace, const char *name);
void token_search_clear(struct token_search *search); /* forgets all: they are about to be listed again */

/* Writes the cluster's token; false if it is not known, or has no room in <size>. */
bool token_search_find(struct token_search *search, const char *namespace, const char *name, char *ret, size_t size);

#endif
