/* The options of a launcher file's own `ray start`, on a pod whose Ray the platform starts. See launcher.h. */
#ifndef ATELIER_CLI_LAUNCHER_START_H
#define ATELIER_CLI_LAUNCHER_START_H

#include "cli/launcher_node.h"

/* Writes those of head_start_ray_commands, or worker_start_ray_commands, that say what the node offers into <group>'s
 * rayStartParams, where its node type says nothing of it; a note names those that mean something and are left out. */
int launcher_add_start(struct launcher *launcher, bool head, cJSON *group);

#endif
