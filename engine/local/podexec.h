/* A command in a running container, or its own output, by sandboxd. engine_operations.exec. */
#ifndef ATELIER_ENGINE_LOCAL_PODEXEC_H
#define ATELIER_ENGINE_LOCAL_PODEXEC_H

#include "engine/local/local_internal.h"

int podexec_run(struct engine *engine, const char *namespace, const char *pod, const struct engine_exec *wanted,
                int *ret_fd, struct error *error);

#endif
