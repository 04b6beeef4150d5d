/*
 * The workload half: one handler for every kind, over engine.h.
 *
 * Every request is decided before anything about an object is told. A named object is read first, because a pod,
 * service or event is authorized by the workload it belongs to; what is foreign and what is absent then give the same
 * answer.
 */
#ifndef ATELIER_CONTROLPLANE_OBJECTS_H
#define ATELIER_CONTROLPLANE_OBJECTS_H

#include "controlplane/call.h"

/* What a path names. */
struct place {
    enum engine_kind kind; /* KIND_COUNT: one that only the cluster knows */
    const struct engine_kind_info *info;
    const char *namespace; /* NULL: a cluster kind, or all namespaces */
    const char *name;      /* NULL: the collection */
    const char *part;      /* "status", "log"; "" for the object itself */
};

/* Decides and reads the object that <place> names. */
int place_read(struct call *call, const struct place *place, enum verb verb, struct engine_view *ret,
               struct error *error);

/* object_write.c */
struct object_change {
    struct engine_view old; /* what is there; none: nothing yet */
    bool dry_run;           /* check everything, store nothing */
};
/* Reads what is to be changed, once the caller may change it and the kind can be changed at all. ret->old is to be
 * ended, on failure too. */
int change_begin(struct call *call, const struct place *place, struct object_change *ret, struct error *error);
/* The same for an object that is to be made; that the caller may is known. */
int change_begin_new(struct call *call, const struct place *place, struct object_change *ret, struct error *error);
/* Everything between the wanted object and its storage, but who owns its fields. */
int change_admit(struct call *call, const struct place *place, const cJSON *old, cJSON *object, struct error *error);
/* Stores and answers. */
int change_finish(struct call *call, const struct place *place, const struct object_change *change, const cJSON *object,
                  struct error *error);
/* Who writes, as managedFields call it: the query's fieldManager, else the User-Agent up to its "/". */
const char *change_manager(const struct call *call);
/* object_apply.c: a PATCH of the type application/apply-patch+yaml */
int place_apply(struct call *call, const struct place *place, struct error *error);
/* object_write.c */
int place_create(struct call *call, const struct place *place, struct error *error);
int place_replace(struct call *call, const struct place *place, struct error *error);
int place_patch(struct call *call, const struct place *place, struct error *error);
int place_delete(struct call *call, const struct place *place, struct error *error);
/* scale.c: autoscaling/v1's view of a notebook (0 or 1) and of a Ray cluster with one worker group, on either engine */
bool scale_is_served(enum engine_kind kind);
int scale_answer(struct call *call, const struct place *place, bool reading, struct error *error);
/* logs.c */
int logs_answer(struct call *call, const struct place *place, struct error *error);
/* watch.c */
int watch_answer(struct call *call, const struct place *place, const struct engine_list_options *options, bool partial,
                 struct error *error);

#endif
