/* The requests: what each is called, which fields it has, what it answers. README.md lists them. */
#ifndef ATELIER_SANDBOXD_OPERATIONS_H
#define ATELIER_SANDBOXD_OPERATIONS_H

#include "engine/local/sandboxd/daemon.h"

/* Fills <answer> (an object, without "ok") and *ret_fd (-1: none). Unknown operations are NOT_FOUND. Blocks. */
int box_operate(struct box_daemon *daemon, const cJSON *request, cJSON *answer, int *ret_fd, struct error *error);

#endif
