/*
 * How a write of objects.c reaches the table and then memory, and what is done about one whose answer was lost: the row
 * is in doubt, and looked up before the next write. For objects.c alone.
 */
#ifndef ATELIER_ENGINE_LOCAL_OBJECTS_WRITER_H
#define ATELIER_ENGINE_LOCAL_OBJECTS_WRITER_H

#include <pthread.h>

#include "engine/local/group.h"
#include "engine/local/index.h"
#include "engine/local/objects.h"

struct doubt;

struct objects {
    struct objects_options options;
    struct group *writers;  /* its lock also guards doubts and away_until_ms */
    pthread_rwlock_t shown; /* guards indexes and version */
    struct object_index indexes[KIND_COUNT];
    int64_t version;
    struct doubt *doubts;
    int64_t away_until_ms;
    _Atomic bool in_doubt; /* there are doubts */
    _Atomic bool away;     /* a write has failed since PostgreSQL was last seen well */
};

void objects_writer_new(struct objects *objects);
void objects_writer_free(struct objects *objects);

/* Nobody else writes until objects_writer_end, and nothing is in doubt; on failure that is not called. */
int objects_writer_begin(struct objects *objects, struct error *error);
void objects_writer_end(struct objects *objects);

/* Commits the object <body> (consumed) in place of <current> (NULL: a new one), and shows it. For who writes alone. */
int objects_commit(struct objects *objects, enum engine_kind kind, const struct object *current, cJSON *body,
                   struct object **ret, struct error *error);
/* The same for an update that needs no other object to stay as it is: independent ones share a commit. After
 * group_enter. */
int objects_commit_together(struct objects *objects, const struct object *current, cJSON *body, struct object **ret,
                            struct error *error);
/* For who writes alone. */
int objects_commit_removal(struct objects *objects, const struct object *current, struct error *error);

#endif
