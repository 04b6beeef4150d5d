/* Which pod answers for a service, and under which names do a namespace's pods see each other? */
#ifndef ATELIER_ENGINE_LOCAL_SERVICE_H
#define ATELIER_ENGINE_LOCAL_SERVICE_H

#include "engine/local/local_internal.h"

/* What was sent to sandboxd last, so that unchanged hosts are not sent again. */
struct hosts;
struct hosts *hosts_new(void);
void hosts_free(struct hosts *hosts);
void hosts_forget(struct hosts *hosts); /* sandboxd is new: send everything again */

/* The pod that a service's connections go to; NULL if none is ready (or has an address). A reference. */
struct object *service_pod(struct local *local, const cJSON *service, const char *namespace);

/* engine_operations.dial */
int service_dial(struct engine *engine, const char *namespace, const char *service, const char *port, int *ret_fd,
                 struct error *error);

/* engine_operations.dial_within */
int service_dial_within(struct engine *engine, const char *namespace, const char *service, const char *port,
                        int *ret_fd, struct error *error);

/* engine_operations.dial_pod */
int service_dial_pod(struct engine *engine, const char *namespace, const char *pod, uint16_t port, int *ret_fd,
                     struct error *error);

/* engine_operations.listen */
int service_listen(struct engine *engine, const char *namespace, int *ret_fd, struct error *error);

#endif
