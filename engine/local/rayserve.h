/*
 * Serve applications of a Ray cluster, through its dashboard's REST API (PUT and GET /api/serve/applications/) and its
 * head's own HTTP proxy (GET /-/routes).
 *
 * A configuration is sent once to each life of a head, and again if the head has lost its applications; a process that
 * was started anew sends it once more, which Ray takes for no change. Threads: any; blocks while Ray is asked.
 */
#ifndef ATELIER_ENGINE_LOCAL_RAYSERVE_H
#define ATELIER_ENGINE_LOCAL_RAYSERVE_H

#include "engine/local/local_internal.h"

struct ray_serve_memory;
struct ray_serve_memory *ray_serve_memory_new(void);
void ray_serve_memory_free(struct ray_serve_memory *memory); /* NULL is fine */

struct ray_serve_view {
    cJSON *applications; /* KubeRay's applicationStatuses; the holder's; NULL: not known */
    bool answers;        /* the head's proxy takes requests */
    bool complete;       /* it does for every application of the configuration, and all of them are RUNNING */
    bool refused;        /* Ray has just not taken the configuration */
    char message[512];   /* why it is not complete; "" if it is */
};
/* Sends <config> (YAML) if <update> and it was not sent yet, and looks how its applications are. */
void ray_serve_look(struct local *local, const struct object *cluster, const char *config, bool update,
                    struct ray_serve_view *ret);
void ray_serve_forget(struct local *local, const struct object *cluster);

#endif
