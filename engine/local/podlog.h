/* A container's log, from sandboxd. engine_operations.log_open. */
#ifndef ATELIER_ENGINE_LOCAL_PODLOG_H
#define ATELIER_ENGINE_LOCAL_PODLOG_H

#include "engine/local/local_internal.h"

int podlog_open(struct engine *engine, const char *namespace, const char *pod, const char *container, int *ret_fd,
                bool *ret_live, struct error *error);

#endif
