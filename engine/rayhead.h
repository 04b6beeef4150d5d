/*
 * The variables that a head's container has from the platform, unless its template sets them itself: where its
 * dashboard finds figures (engine/raymetrics.h), and GRPC_ENABLE_FORK_SUPPORT=0.
 *
 * The latter is for Ray Client. Its proxier, a gRPC server with threads, forks to start the server of each session, and
 * Python's gRPC has handlers around a fork that are meant for clients only
 * (https://github.com/grpc/grpc/blob/master/doc/fork_support.md): now and then they end the child before its exec, with
 * nothing in its log, and ray.init("ray://…") fails with "Starting Ray client server failed"
 * (https://github.com/ray-project/ray/issues/63202; measured on a node of two cores: 6 of 11 first sessions). Nothing
 * of Ray's needs them: its processes exec after a fork, the dashboard's modules (from a forkserver) begin with gRPC
 * only after theirs, and Serve's proxies, the one for gRPC included, are workers like any other.
 *
 * Threads: any.
 */
#ifndef ATELIER_ENGINE_RAYHEAD_H
#define ATELIER_ENGINE_RAYHEAD_H

#include "engine/raymetrics.h"

/* <hosts>: checked ones. */
void rayhead_complete(const struct raymetrics *hosts, cJSON *container);
/* Instead, for a head that runs: only those that it has in <old>, as they are there. */
void rayhead_keep(const cJSON *old, cJSON *container);

#endif
