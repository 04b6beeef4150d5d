/*
 * What client.c (callers), client_loop.c (the thread) and transfer.c (one attempt) share.
 *
 * A request is a struct kube_stream, blocking or not. It is in exactly one state, and but for SUBMITTED it belongs to
 * the client's thread alone:
 *
 *     SUBMITTED ─► WAITING (for a time, or for a credential) ⇄ RUNNING (an attempt is in libcurl's hands) ─► ENDED
 */
#ifndef ATELIER_ENGINE_KUBERNETES_CLIENT_INTERNAL_H
#define ATELIER_ENGINE_KUBERNETES_CLIENT_INTERNAL_H

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "engine/kubernetes/client.h"
#include "engine/kubernetes/credential.h"
#include "engine/kubernetes/retry.h"

/* CLIENT_CONNECTIONS_MAX, and as many that are being tried or closed at the same time. */
#define CLIENT_SOCKETS_MAX 160

enum stream_state { STREAM_SUBMITTED, STREAM_WAITING, STREAM_RUNNING, STREAM_ENDED };

struct stream_list {
    struct kube_stream *first, *last;
};

/* An easy handle is kept for the next request: its options hold the TLS configuration, which is costly to set. */
struct transfer {
    CURL *easy;
    uint64_t generation; /* of the credential that its TLS options come from; 0: none yet */
    struct transfer *next;
    char message[CURL_ERROR_SIZE];
};

struct kube_stream {
    unsigned magic;
    struct kube_client *client;
    enum stream_state state;
    struct kube_stream *next, *previous; /* in the list of its state */
    struct kube_stream *next_cancelled;  /* client->lock guards both */
    bool cancelled, in_cancelled;

    /* What is asked. */
    char *method, *url;
    struct slice body;
    char *body_copy; /* NULL: borrowed from a caller who waits */
    char **texts;    /* header lines, NULL-ended */
    struct curl_slist *lines;
    bool repeatable, once, endless;
    int64_t deadline_at_ms, silence_ms;
    struct kube_sink sink;

    /* This attempt. */
    struct transfer *transfer;
    struct credential_view *credential;
    size_t body_sent;
    int status;
    int64_t retry_after_ms, heard_ms; /* heard: when the last byte came */
    enum retry_verdict verdict;       /* of its header */
    int64_t verdict_wait_ms;
    bool begun, stopped; /* the sink has been told; the sink said stop */

    /* So far. */
    unsigned attempts;
    bool renewed;
    int64_t due_ms;      /* WAITING for a time */
    bool for_credential; /* WAITING for one newer than <generation>, or for a renewal to fail */
    uint64_t generation, failures;
};

struct kube_client {
    struct kube_config config;
    char *base;                   /* what stands before a target: config.server, or with the name that TLS is to see */
    char *host;                   /* "Host: …" then, or NULL */
    struct curl_slist connect_to; /* and where that name is, or without data */
    struct credential *credential;
    CURLM *multi;
    pthread_t thread;
    bool started;

    /* The thread's. */
    int64_t now_ms, silence_due_ms;
    struct stream_list waiting, running;
    struct transfer *idle;
    unsigned idle_count;
    uint32_t dice;
    int sockets[CLIENT_SOCKETS_MAX]; /* that libcurl has open, in any order */
    unsigned socket_count;

    pthread_mutex_t lock; /* guards what follows */
    bool stopping, polling;
    bool renewed; /* the credential has changed, or failed to */
    struct stream_list submitted;
    struct kube_stream *cancelled;

    atomic_uint endless; /* streams without a deadline */
    _Atomic uint64_t reads, writes, watches, retries, throttled;
};

void stream_append(struct stream_list *list, struct kube_stream *stream);
void stream_remove(struct stream_list *list, struct kube_stream *stream);
void stream_free(struct kube_stream *stream);
void client_wake(struct kube_client *client); /* with the lock held */
void *client_run(void *client);

/* Hands an attempt to libcurl. INTERNAL if it takes none. */
int transfer_start(struct kube_stream *stream, struct error *error);
/* Takes it back, whether it is over or not. */
void transfer_end(struct kube_stream *stream);
void transfers_free(struct kube_client *client);
/* Ends the connection of a stream that has heard nothing for <silent_ms>, if nobody else has on it: libcurl keeps using
 * one for new streams, which hear nothing either when what is between still acknowledges (a load balancer that lost its
 * way). */
void transfer_end_silent(const struct kube_stream *stream, int64_t silent_ms);
/* How an attempt that libcurl reports as over went; the failure is in <error> unless RETRY_ANSWERED. */
enum retry_transport transfer_result(const struct kube_stream *stream, CURLcode code, struct error *error);

/* Limits, each with its reason. */
/* To one host; opened only when the streams of those open are used up. A proxy that speaks HTTP/1.1 only needs one for
 * each watch, of which there are some twenty, and for each call. */
#define CLIENT_CONNECTIONS_MAX 64
#define CLIENT_STREAMS_A_CONNECTION 250 /* what kube-apiserver allows; it says so itself if it is less */
#define CLIENT_ENDLESS_MAX 500          /* watches and followed logs: must leave room for calls on few connections */
#define CLIENT_IDLE_TRANSFERS_MAX 64    /* as many calls at once are cheap to repeat; about 10 KB each */
#define CLIENT_DEADLINE_MS 30000
#define CLIENT_CONNECT_TIMEOUT_MS 10000
#define CLIENT_UNACKNOWLEDGED_MS 15000 /* TCP_USER_TIMEOUT: a peer that vanished is noticed, whatever is in flight */
#define CLIENT_DEAF_MS 4000 /* a call that waited less says nothing about its connection; the lease waits longer */
#define CLIENT_KEEPALIVE_S 15
#define CLIENT_ANSWER_BYTES_MAX ((size_t)64 * 1024 * 1024) /* a page of 500 objects of 128 KiB */
#define CLIENT_BODY_BYTES_MAX ((size_t)8 * 1024 * 1024)    /* the API server takes 3 MiB */
#define CLIENT_TARGET_BYTES_MAX 8192

#endif
