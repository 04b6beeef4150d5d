/*
 * How a notebook stands, in words a person can act on: a pure function of the objects that belong to it.
 */
#ifndef ATELIER_NOTEBOOKS_STATE_H
#define ATELIER_NOTEBOOKS_STATE_H

#include "base/json.h"

/* NULL: not there. */
struct notebook_view {
    const cJSON *notebook, *statefulset, *pod, *home;
    bool set_written; /* the StatefulSet is as it was before what this pass wrote of it */
    const char *blocked_phase, *blocked_reason, *blocked_message; /* what kept the reconciler from going on, or NULL */
    const char *create_error;             /* why the StatefulSet's pod could not be made, or NULL */
    const char *pod_reason, *pod_message; /* of the newest Warning event about the pod, where it was looked for */
    int64_t now_ms;
};
/* Progress, 0 to 100: what has been reached. */
enum notebook_progress {
    PROGRESS_PENDING = 0,
    PROGRESS_VOLUME = 20,
    PROGRESS_SCHEDULED = 40,
    PROGRESS_STARTED = 60,
    PROGRESS_ANSWERING_SOON = 80,
    PROGRESS_READY = 100
};
#define NOTEBOOK_STARTUP_MS 3000 /* JupyterLab answers 4 s after it starts; from here on it is soon */

/* The new status. *ret_again_ms: when to look again although nothing happens, or 0. */
cJSON *notebook_state(const struct notebook_view *view, int64_t *ret_again_ms);

#endif
