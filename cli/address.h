/* Where gRPC reaches a Ray cluster from outside, as the service tells (GET /api/atelier/v1/open). */
#ifndef ATELIER_CLI_ADDRESS_H
#define ATELIER_CLI_ADDRESS_H

#include "base/json.h"
#include "cli/command.h"

/* Members that address_note gives an object, "HOST:PORT". No kind has any of these names. */
#define ADDRESS_RAY_CLIENT "rayClientAddress"
#define ADDRESS_SERVE_GRPC "serveGrpcAddress"
/* Asks for those of <cluster>. Without them (no https, an older service) it stays as it is. */
void address_note(struct call *call, cJSON *cluster);

#endif
