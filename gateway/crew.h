/*
 * Threads for work that blocks, shared fairly: jobs carry a tenant, and no tenant has more than its share running at
 * once.
 *
 * The mutex guards the queue and the counts, never a job. Jobs run in order of arrival except where a tenant waits for
 * its share.
 */
#ifndef ATELIER_GATEWAY_CREW_H
#define ATELIER_GATEWAY_CREW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct crew;
struct crew_job {
    struct crew_job *next;
    uint64_t tenant;                   /* 0: nobody's, not limited */
    void (*run)(struct crew_job *job); /* on a thread of the crew; owns the job from then on */
};
/* <threads> threads with small stacks; at most <waiting> jobs queue; at most <share> of one tenant run at a time. */
int crew_new(const char *name, unsigned threads, size_t waiting, unsigned share, struct crew **ret,
             struct error *error);
/* Any thread. False when the queue is full or the crew has stopped: the job is then still the caller's. */
bool crew_add(struct crew *crew, struct crew_job *job);
/* Takes a job that has not begun out of the queue; false if it runs or has run. */
bool crew_cancel(struct crew *crew, struct crew_job *job);
/* Lets running and queued jobs finish, then ends the threads. */
void crew_stop(struct crew *crew);
void crew_free(struct crew *crew); /* after crew_stop; NULL is fine */

#endif
