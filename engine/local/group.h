/*
 * Which writes are committed together: those that came while the commit before them was under way.
 *
 * One commit costs a round trip and a write to the disk, however many rows it keeps. A thread that has a write either
 * leads (commits all that have gathered) or waits for the one that leads. Nobody waits for company: a write that comes
 * alone is committed at once. Of one object there is at most one write among them, and none is among them while
 * somebody writes alone, so what a writer has read stays true until its write is committed.
 *
 * Threads: any. The group's lock is held from group_enter or group_enter_alone to group_leave, except while
 * group_commit waits or the leader's `run` runs.
 */
#ifndef ATELIER_ENGINE_LOCAL_GROUP_H
#define ATELIER_ENGINE_LOCAL_GROUP_H

#include <pthread.h>

#include "engine/local/object.h"

/* Writes of one commit: more would keep the first one waiting for the last. */
enum { GROUP_MAX = 32 };

/* One write, on the stack of who waits for it. */
struct group_write {
    const struct object *current; /* what it replaces; borrowed */
    const char *text;             /* by what: borrowed */
    void *context;                /* the caller's */
    /* Its outcome, filled by `run`. */
    int result;
    bool unsure; /* it may or may not have been committed */
    int64_t version;
    struct error error;
    /* Used by group.c. */
    struct group_write *next;
    enum { GROUP_WAITS, GROUP_LEADS, GROUP_DONE } state;
    pthread_cond_t told;
};

struct group_options {
    /* Before a commit, with the lock. Negative: nothing is committed, and that is every write's result. */
    int (*begin)(void *context, struct error *error);
    /* Commits them (linked by `next`, in order), without the lock; never by two threads at a time. */
    void (*run)(void *context, struct group_write *writes);
    /* After `run`, with the lock, for one after the other. */
    void (*finish)(void *context, struct group_write *write);
    void *context;
};

struct group;
struct group *group_new(const struct group_options *options);
void group_free(struct group *group);

/* Takes the lock once no write of this object is under way. */
void group_enter(struct group *group, enum engine_kind kind, const char *namespace, const char *name);
/* Takes the lock once no write at all is under way. Whoever enters later waits. */
void group_enter_alone(struct group *group);
void group_leave(struct group *group);
/* After group_enter: returns when <write> has its outcome and was finished. */
void group_commit(struct group *group, struct group_write *write);

#endif
