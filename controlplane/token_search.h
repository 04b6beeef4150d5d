/*
 * The tokens of Ray clusters that do not take their profile's (ray/token.h): for most of them KubeRay makes a Secret of
 * their own, a little after the cluster. Nobody follows those Secrets: a thread reads each until it is there.
 *
 * How often is bounded whatever comes in: one read in LIMIT_TOKEN_READ_EVERY_MS, those missing before those known, who
 * is due longest before others. Each cluster has its own time to wait, doubled by each read that finds nothing; that it
 * changes brings its own read nearer if somebody has written to it (metadata.generation), never for its status alone.
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
/* All clusters are about to be listed again: who is not followed between the two is forgotten, and tokens that are
 * known are read again, in turn; meanwhile they hold. */
void token_search_list(struct token_search *search);
void token_search_listed(struct token_search *search);

/* Writes the cluster's token; false if it is not known, or has no room in <size>. */
bool token_search_find(struct token_search *search, const char *namespace, const char *name, char *ret, size_t size);

#endif
