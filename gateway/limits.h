/*
 * Every bound that a client, an upstream or a tenant can run into at the gateway, with the reason for its value.
 *
 * Sizes that shape memory are constants. Times and counts are one table of variables, so that a test can reach each
 * limit without waiting for it; they are written before gateway_start and only read after.
 */
#ifndef ATELIER_GATEWAY_LIMITS_H
#define ATELIER_GATEWAY_LIMITS_H

#include <stdint.h>

/* A request or response head. Browsers send 1 to 4 KiB; more than 16 is an attack or a runaway cookie. */
#define LIMIT_HEAD_BYTES ((size_t)16 * 1024)
/* Fields of one head. Real ones have at most 40; 2000 tiny fields cost more to look at than to send. */
#define LIMIT_FIELDS 100
/* Target of a request. The longest real ones are watch URLs with selectors (about 2 KiB). */
#define LIMIT_TARGET_BYTES ((size_t)8 * 1024)
/* Longest method name: "VERSION-CONTROL" is the longest registered one. */
#define LIMIT_METHOD_BYTES 20
/* Extensions of one chunk; no known sender uses them, RFC 9112 7.1.1 asks for a limit. */
#define LIMIT_CHUNK_EXTENSION_BYTES 256
/* Extensions of a whole body, so that 1-byte chunks cannot carry megabytes of them. */
#define LIMIT_CHUNK_EXTENSIONS_BYTES 16384
/* Trailer section of a chunked body; it is checked and dropped. */
#define LIMIT_TRAILER_BYTES 8192
/* One pooled buffer: a head and what the gateway injects into it. */
#define CHUNK_SMALL_BYTES ((size_t)20 * 1024)
/* Taken instead when a body keeps filling the small one: measured 364 against 720-950 us of CPU a MiB. */
#define CHUNK_LARGE_BYTES ((size_t)64 * 1024)
/* Room in front of and behind a payload for chunk framing. */
#define CHUNK_HEADROOM 24
#define CHUNK_TAILROOM 16
/* Payload of one WebSocket frame a client may send into a tunnel; it is streamed, so this only bounds nonsense. */
#define LIMIT_FRAME_BYTES ((uint64_t)16 * 1024 * 1024)
/* Connections through one port-forward: a browser opens 6 and one for each kernel and terminal. */
#define LIMIT_FORWARD_PAIRS ((size_t)128)
/* Ports of one port-forward in numbered channels: two of a byte's 256 numbers each, and people name one to three. */
#define LIMIT_FORWARD_PORTS ((size_t)32)
/* What a port-forward holds for pods that do not take it, or for a client that does not. */
#define LIMIT_FORWARD_BYTES ((size_t)256 * 1024)
/* HTTP/2: what one stream, and all of one connection, may have on its way before it is taken at the other end. Two of
 * the latter are the most that a connection's streams hold in memory. */
#define LIMIT_H2_STREAM_WINDOW 262144
#define LIMIT_H2_CONNECTION_WINDOW 1048576
/* Frames of one header block behind the first: 16 KiB fit into one (CVE-2024-27316). */
#define LIMIT_H2_CONTINUATIONS 4
/* What a proxy says of one request by gRPC. Envoy takes heads of up to 60 KiB, and may add a client's certificate. */
#define LIMIT_CHECK_BYTES ((size_t)128 * 1024)
/* Events taken from the kernel at a time, and steps one connection runs before others get their turn. */
#define LOOP_EVENTS 256
#define LOOP_STEPS 32

/* name, value, why */
#define GATEWAY_LIMIT_TABLE(X)                                                                                         \
    X(head_ms, 10000, "a whole head, from its first byte: slowloris")                                                  \
    X(idle_ms, 75000, "keep-alive between requests; browsers use 60 to 120 s")                                         \
    X(body_window_ms, 10000, "a body must bring body_window_bytes within this")                                        \
    X(body_window_bytes, 2560, "256 B/s: slower than any modem, faster than a drip")                                   \
    X(write_window_ms, 30000, "a reader must take write_window_bytes within this")                                     \
    X(write_window_bytes, 4096, "a slow reader must not hold buffers for ever")                                        \
    X(linger_ms, 2000, "an answered client that still sends gets to read the answer before the reset")                 \
    X(linger_bytes, 262144, "how much of that is thrown away first")                                                   \
    X(half_close_ms, 5000, "a client that shut its side down may still wait this long for the answer")                 \
    X(dial_ms, 15000, "reaching a workload; the engine gives up earlier")                                              \
    X(resume_wait_ms, 25000, "a request waits for its cluster to start; load balancers give up after 30 s")            \
    X(hold_look_ms, 500, "how often a request that waits looks whether it may go on")                                  \
    X(tenant_holds, 64, "requests of one profile that wait: each holds a connection and 20 KiB")                       \
    X(response_ms, 900000, "the first byte of an answer: notebook conversions take minutes")                           \
    X(upstream_idle_ms, 20000, "a pooled upstream connection; tornado and aiohttp close at 75 and 3630 s")             \
    X(upstream_fresh_ms, 2000, "how long ago a pooled connection was used, for requests that cannot be sent twice")    \
    X(tunnel_stall_ms, 300000, "a tunnel side that takes nothing although bytes wait")                                 \
    X(tunnel_end_ms, 30000, "the second half of a tunnel after the first has ended")                                   \
    X(sweep_ms, 5000, "how often live connections are checked for expired credentials")                                \
    X(accept_pause_ms, 100, "no descriptors or connections left: try again after this, without spinning")              \
    X(connections, 20000, "open client connections in all; also at most a third of RLIMIT_NOFILE")                     \
    X(resource_requests, 512, "requests in flight to one workload: one tenant cannot take every connection")           \
    X(resource_tunnels, 1024, "WebSockets and tunnels to one workload")                                                \
    X(port_forwards, 256, "port-forwards into pods: a thread each, for as long as it runs")                            \
    X(tenant_port_forwards, 32, "of those in one namespace")                                                           \
    X(tenant_dials, 4, "dials running for one namespace, of dial_threads")                                             \
    X(dial_threads, 16, "engine_dial blocks; a hanging sandbox must not stop others")                                  \
    X(dials_waiting, 1024, "dials queued before 503")                                                                  \
    X(pool_per_target, 128, "idle upstream connections kept for one target on one loop")                               \
    X(pool_per_loop, 2048, "idle upstream connections kept on one loop")                                               \
    X(api_waiting, 1024, "API requests queued before 503")                                                             \
    X(admit_threads, 4, "admission decides from memory in 1 ms; it must not wait for the API's workers")               \
    X(admissions_waiting, 256, "the API server gives up after 5 s: what waits longer is in vain")                      \
    X(api_body_bytes, 1048576, "a JSON or YAML document")                                                              \
    X(api_apply_bytes, 2097152, "an apply patch may carry several documents' worth of defaults")                       \
    X(api_anonymous_bytes, 65536, "sign-in forms are small; strangers get no more memory")                             \
    X(api_bodies_bytes, 268435456, "bodies held for the API in all")                                                   \
    X(proxy_body_bytes, 1073741824, "an upload through a proxy route: Ray packages are up to 100 MiB, datasets more")  \
    X(interim_responses, 8, "1xx answers before the final one")                                                        \
    X(stream_bytes, 8388608, "how far a stream's reader may fall behind")                                              \
    X(handshake_ms, 10000, "a whole TLS handshake: slowloris before the first request")                                \
    X(handshakes, 1024, "TLS handshakes under way on one loop, 30 KiB each; the longest gives way")                    \
    X(handshake_steps, 32, "steps of handshakes a turn, at most 0.3 ms each: others' bytes must not wait for them")    \
    X(certificates, 256, "certificates minted and kept on one loop, 3 KiB each")                                       \
    X(webhook_body_bytes, 3145728, "an AdmissionReview with two versions of the largest object etcd takes")            \
    X(grpc_streams, 100, "calls at a time on one connection; a Ray client has 3 and one for each thread that waits")   \
    X(grpc_resets, 200, "calls taken back at once (rapid reset, CVE-2023-44487); then grpc_resets_per_s")              \
    X(grpc_resets_per_s, 33, "a client whose calls run into their deadlines")                                          \
    X(h2_control_frames, 600, "PING, SETTINGS, empty or broken frames within h2_control_ms: Ray pings every 30 s")     \
    X(h2_control_ms, 10000, "of h2_control_frames")                                                                    \
    X(requests_per_turn, 16, "pipelined requests answered before other connections get their turn")

struct gateway_limits {
#define X(name, value, why) int64_t name;
    GATEWAY_LIMIT_TABLE(X)
#undef X
};
extern struct gateway_limits gateway_limits;

#endif
