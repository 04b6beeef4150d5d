/* The table `objects`: one statement a write, several in one transaction where they are independent. Used by objects.c
 * only, by one thread at a time. */
#ifndef ATELIER_ENGINE_LOCAL_OBJECTS_SQL_H
#define ATELIER_ENGINE_LOCAL_OBJECTS_SQL_H

#include "engine/local/object.h"
#include "store/store.h"

typedef void (*objects_row)(void *context, enum engine_kind kind, int64_t version, cJSON *body, size_t bytes);
/* Calls <row> for each (which takes over the body). *ret_version: the newest version ever given out. */
int objects_sql_load(struct store *store, objects_row row, void *context, int64_t *ret_version, struct error *error);
/* Reads one row; *ret is NULL if there is none, and *ret_version is then a new version for its removal. */
int objects_sql_read(struct store *store, enum engine_kind kind, const char *namespace, const char *name, cJSON **ret,
                     size_t *ret_bytes, int64_t *ret_version, struct error *error);

/* *ret_unsure: the statement may or may not have been committed. <text> is the body without resourceVersion. */
int objects_sql_insert(struct store *store, enum engine_kind kind, const char *namespace, const char *name,
                       const char *uid, const char *text, int64_t *ret_version, bool *ret_unsure, struct error *error);
int objects_sql_update(struct store *store, const struct object *current, const char *text, int64_t *ret_version,
                       bool *ret_unsure, struct error *error);
struct group_write;
/* Updates all of them in one transaction, in their order; each keeps its own outcome: one that the database refuses
 * does not take its neighbours along. */
void objects_sql_update_all(struct store *store, struct group_write *writes);
int objects_sql_delete(struct store *store, const struct object *current, int64_t *ret_version, bool *ret_unsure,
                       struct error *error);

#endif
