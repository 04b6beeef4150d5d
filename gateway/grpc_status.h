/* Codes of gRPC, which google.rpc.Status has too (grpc.github.io/grpc/core/md_doc_statuscodes.html). */
#ifndef ATELIER_GATEWAY_GRPC_STATUS_H
#define ATELIER_GATEWAY_GRPC_STATUS_H

enum grpc_status {
    GRPC_OK = 0,
    GRPC_INVALID_ARGUMENT = 3,
    GRPC_DEADLINE_EXCEEDED = 4,
    GRPC_PERMISSION_DENIED = 7,
    GRPC_RESOURCE_EXHAUSTED = 8,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_UNAVAILABLE = 14,
    GRPC_UNAUTHENTICATED = 16
};

#endif
