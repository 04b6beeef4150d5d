/* Where a Service's port leads: the same on every engine. Source: core/v1 ServicePort. */
#ifndef ATELIER_ENGINE_SERVICE_PORT_H
#define ATELIER_ENGINE_SERVICE_PORT_H

#include "base/json.h"

/* The entry of spec.ports with that number or name; borrowed, NULL if there is none. */
const cJSON *service_port_find(const cJSON *service, const char *port);
/* The number that <port> has in <pod>: a targetPort by name is a port that one of the pod's containers names so. */
bool service_port_target(const cJSON *pod, const cJSON *port, uint16_t *ret);

#endif
