/* What runs in a node's container: image, variables, set-up commands. See launcher.h. */
#ifndef ATELIER_CLI_LAUNCHER_DOCKER_H
#define ATELIER_CLI_LAUNCHER_DOCKER_H

#include "cli/launcher_node.h"

/* Completes the one container of <group>'s template from docker and the set-up commands of the file and of the node
 * type at <path>. */
int launcher_add_container(struct launcher *launcher, const cJSON *type, const char *path, bool head, cJSON *group);
/* "2.9.0" of "rayproject/ray:2.9.0-py310", malloc'ed; NULL if the tag does not begin with a version. */
char *launcher_image_version(const char *image);

#endif
