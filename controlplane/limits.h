/* Every bound of the control plane, with the reason beside it. */
#ifndef ATELIER_CONTROLPLANE_LIMITS_H
#define ATELIER_CONTROLPLANE_LIMITS_H

#define LIMIT_PATH_SEGMENTS 12             /* the longest listed path has 8 */
#define LIMIT_SEGMENT_BYTES 256            /* a name is at most 253, an e-mail 254 */
#define LIMIT_LABELS 64                    /* as many as people use, far below what lists could carry */
#define LIMIT_ANNOTATION_BYTES (256 << 10) /* Kubernetes' TotalAnnotationSizeLimitB */
#define LIMIT_DATA_BYTES (1 << 20)         /* Kubernetes' limit of a ConfigMap or Secret */
#define LIMIT_LIST 5000                    /* objects in one page; more come through `continue` */
#define LIMIT_PATCH_RETRIES 5              /* conflicts retried for a patch that names no resourceVersion */
#define LIMIT_WATCHES 4096                 /* open watches in all */
#define LIMIT_WATCHES_USER 128             /* and of one person: a console tab holds about five */
#define LIMIT_WATCH_S 3600                 /* a watch ends after an hour; clients resume it */
#define LIMIT_FOLLOWERS 1024               /* followed logs in all */
#define LIMIT_FOLLOWERS_USER 64            /* and of one person */
#define LIMIT_LOG_ANSWER (4 << 20)         /* the end of a log that one answer carries */
#define LIMIT_LOG_TAIL 1000000             /* tailLines */
#define LIMIT_LOG_LINE (64 << 10)          /* a longer line is passed on in pieces */
#define LIMIT_PASSAGES 8192                /* requests under way to the cluster's API in all */
#define LIMIT_PASSAGES_USER 128            /* watches and followed logs among them, of one person */
#define LIMIT_PASSAGE_EARLY (256 << 10)    /* a longer answer of the cluster is streamed */
#define LIMIT_PASSAGE_EARLY_MAX (4 << 20)  /* of it may have come before the stream begins */
#define LIMIT_PASSAGE_BODY                                                                                             \
    (32 << 20)                      /* an OpenAPI document of a cluster with many kinds; objects are at most 1.5 MiB */
#define LIMIT_PASSAGE_WARNINGS 8192 /* of the Warning headers of one answer; client-go shows 4 KiB of them */
#define LIMIT_PASSAGE_WAIT_MS 60000 /* the API server itself gives up after 60 s */
#define LIMIT_PASSAGE_STOP_MS 5000  /* for cancelled requests to end at shutdown */
#define LIMIT_DISCOVERY_BODY (1 << 20)     /* a longer discovery or OpenAPI document is not kept */
#define LIMIT_DISCOVERY_MS 10000           /* how long such a document is kept */
#define LIMIT_DISCOVERY_COUNT 32           /* and how many: kubectl asks for one a group */
#define LIMIT_IMAGES_FILE (256 << 10)      /* a list of images, some hundred bytes each */
#define LIMIT_SAMPLES 20000                /* in one answer: 2 days of 7 workloads by the minute, some 3 MB */
#define LIMIT_UPKEEP_MS 3600000            /* how often what is old is looked for */
#define LIMIT_GIVE_BACK_MS 60000           /* how often memory that a burst took is given back; */
#define LIMIT_GIVE_BACK_SHARE 1000         /* and no more than this part of the time, as all that is free is counted */
#define LIMIT_AUDIT_EXPIRED 10000          /* entries that one statement deletes */
#define LIMIT_PAGE 500                     /* rows of an audit page */
#define LIMIT_TOKEN_TTL_S (3650LL * 86400) /* an API token lives at most ten years */
#define LIMIT_TOKEN_READ_EVERY_MS 20       /* Secrets of Ray clusters: fifty a second, as much as a kubelet asks for */
#define LIMIT_TOKEN_WAIT_MS 1000           /* until a missing one is read again; each time twice as long, */
#define LIMIT_TOKEN_WAIT_MAX_MS 60000      /* at most so long: 1,000 that never come are 17 reads a second */

#endif
