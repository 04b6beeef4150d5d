/*
 * When is a workload that nobody uses stopped? After a time without use, and never without a warning before.
 *
 * The time comes from the workload's annotation atelier.dev/idle-after, else its profile's, else the platform's
 * setting; 0 is never. What counts as use is the workload's room's business; what the gateway and the meter have seen
 * of it comes through `seen`. Until atelier.dev/keep-until (RFC 3339) nothing is stopped.
 */
#ifndef ATELIER_TENANCY_IDLE_H
#define ATELIER_TENANCY_IDLE_H

#include "engine/engine.h"

#define IDLE_AFTER "atelier.dev/idle-after"
#define IDLE_KEEP_UNTIL "atelier.dev/keep-until"
#define IDLE_DELETE_AFTER "atelier.dev/delete-after"
#define IDLE_RESUME "atelier.dev/resume-on-request"
#define IDLE_AFTER_LEAST_S 5 /* less would stop what is only just starting */

/* What comes after which time, and how it is told. */
struct idle_terms {
    const char *after;                /* the annotation that says the time */
    const char *last, *end;           /* members of status: the last use (NULL: it is not told), the announced end */
    const char *last_note, *end_note; /* the annotations that stand for them where status is another's */
    const char *warned, *ended;       /* reasons of events */
    const char *since;                /* "nobody has used it": since when comes after that */
    const char *done;                 /* "stopped" */
    const char *rescue;               /* "somebody does": what takes it back */
};
extern const struct idle_terms idle_stops; /* what runs and nobody uses is stopped */
/* When a workload was last used from outside of it or kept a CPU busy: wall clock, 0 for never. May block; fails where
 * that is not known, and then nothing is stopped. */
typedef int (*idle_seen)(void *context, const char *namespace, const char *kind, const char *name, int64_t *ret_ms,
                         struct error *error);
/* Told of every end, for the audit log. */
typedef void (*idle_stopped)(void *context, const char *namespace, const char *kind, const char *name,
                             const char *detail);
struct idle_options {
    const struct idle_terms *terms; /* NULL: idle_stops */
    int64_t after_s;                /* of workloads that say nothing, in profiles that say nothing; 0: never */
    int64_t warn_s;                 /* between the warning and the end; of a shorter time at most half */
    int64_t check_s;                /* how often a running workload is looked at, at most */
    bool in_annotations;            /* what is told stands there: another controller writes the status, and all of it */
    idle_seen seen;                 /* NULL: nothing outside of it tells */
    idle_stopped stopped;
    void *context;
};

/* INVALID with the annotation's path if it says no duration or time. For every object that may carry them. */
int idle_check_annotations(const cJSON *object, struct error *error);
/* Which suspended workload a request to it starts again, as its annotation IDLE_RESUME says, or its profile's. */
enum idle_resume {
    IDLE_RESUME_UNSAID,
    IDLE_RESUME_NEVER,
    IDLE_RESUME_IDLE,  /* one that was suspended because nobody used it */
    IDLE_RESUME_ALWAYS /* one that somebody suspended, too */
};
/* What cannot be read means never. */
enum idle_resume idle_resume_said(const cJSON *object);
/* The time for this workload in seconds; 0: never. What cannot be read means never. */
int idle_after(struct engine *engine, const struct idle_options *options, const cJSON *workload, int64_t *ret_s,
               struct error *error);

struct idle_case {
    const struct idle_terms *terms;
    int64_t after_ms, warn_ms, check_ms; /* after_ms > 0 */
    int64_t last_ms;                     /* when it was last in use */
    int64_t keep_until_ms;               /* 0: not asked for */
    int64_t warned_ms;                   /* the end that was announced; 0: none */
    int64_t now_ms;
};
enum idle_step { IDLE_NOTHING, IDLE_WARN, IDLE_STOP };
struct idle_verdict {
    enum idle_step step;
    int64_t stop_at_ms; /* IDLE_WARN: the end to be announced */
    int64_t again_ms;   /* from now */
};
/* A pure function. An end that was not announced for warn_ms is never reached. */
void idle_decide(const struct idle_case *idle, struct idle_verdict *ret);
/* The case of a workload whose announced end and last use stand in <known>, under the terms' members. */
void idle_case_of(const struct idle_options *options, int64_t after_s, const cJSON *workload, const cJSON *known,
                  int64_t now_ms, struct idle_case *ret);
/* Puts the verdict and the last use into <known>; how exactly the last use is told is left a tenth of after_ms, so that
 * a workload in use is not written at every look. True if something changed. */
bool idle_note(const struct idle_case *idle, const struct idle_verdict *verdict, cJSON *known);

const struct idle_terms *idle_terms_of(const struct idle_options *options);
/* Copies the terms' members from one status to another; what <from> has not is taken away. */
void idle_keep(const struct idle_terms *terms, const cJSON *from, cJSON *to);
/* The terms' members, in an object of their own, wherever <workload> has them. The caller's. */
cJSON *idle_known(const struct idle_options *options, const cJSON *workload);
/* A merge patch that makes the annotations of <workload>, as it was read, those members. The caller's. */
cJSON *idle_known_patch(const struct idle_options *options, const cJSON *workload, const cJSON *known);

#endif
