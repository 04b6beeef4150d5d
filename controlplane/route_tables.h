/*
 * What the objects of a cluster say about where tenant paths lead, by name. Each kind fills maps of its own, so that
 * those of one kind are read anew beside the others and then replaced at once. Not thread-safe: routes.c locks.
 */
#ifndef ATELIER_CONTROLPLANE_ROUTE_TABLES_H
#define ATELIER_CONTROLPLANE_ROUTE_TABLES_H

#include "base/map.h"
#include "controlplane/token_search.h"
#include "ray/token.h"
#include "tenancy/idle.h"

enum { ROUTE_PORTS_MAX = 16 }; /* more ports of one service are not reachable by path */

struct route_port {
    char name[64];
    int64_t number;
};
struct route_service {
    char name[64], owner_kind[32], owner_name[64];
    bool head;        /* of a Ray cluster: its dashboard takes the cluster's token */
    bool ray_service; /* made by KubeRay for a RayService */
    bool clusters;    /* made by KubeRay for the cluster itself, not for a RayService that stands on it */
    struct route_port ports[ROUTE_PORTS_MAX];
    size_t port_count;
};
struct route_cluster {
    char secret[RAY_TOKEN_SECRET_SIZE]; /* with its token */
    char uid[64];
    char ray_service[64], service_uid[64]; /* of what made it, or "" */
    bool own;                              /* not the profile's Secret, and nobody follows it: token_search.h */
    char *public;                          /* what its own annotation opens; owned */
    bool starting;
    bool resumes[IDLE_RESUME_ALWAYS + 1]; /* by a request, by what its profile says */
};
/* What a RayService serves, and what of it it opens to anybody. */
struct route_serving {
    char *prefixes;     /* open: its annotation's */
    char *applications; /* that run, with their paths (ray_serve_applications) */
    char cluster[64];   /* where they run */
};
/* Whose label of gRPC ends in a hash, because the names are long. */
struct route_label {
    char namespace[64], name[64];
};

struct route_tables {
    struct map *services;        /* "ns/service" -> struct route_service */
    struct map *heads;           /* "ns/cluster" -> name of its head service */
    struct map *tokens;          /* "ns/secret" -> token */
    struct map *clusters;        /* "ns/cluster" -> struct route_cluster */
    struct map *serving;         /* "ns/RayService" -> struct route_serving */
    struct map *labels[2];       /* label -> struct route_label: of clusters, of RayServices */
    struct map *profiles;        /* name -> enum idle_resume, of those that say something */
    struct token_search *search; /* borrowed; hears of the clusters */
};

/* Makes the maps of that kind, empty, in tables that have none of it. */
void route_tables_begin(struct route_tables *tables, enum engine_kind kind);
/* An object is there, has changed, or (<gone>) has been removed. */
void route_tables_put(struct route_tables *tables, enum engine_kind kind, const cJSON *object, bool gone);
/* All of that kind have been put into <fresh> since it was begun: they are the tables' own now, and what was there
 * before is in <fresh>, to be freed. */
void route_tables_replace(struct route_tables *tables, struct route_tables *fresh, enum engine_kind kind);
void route_tables_free(struct route_tables *tables); /* what they hold, not the search */

/* As much of a text, which may be NULL, as has room. */
void route_text(char *ret, size_t size, const char *text);

#endif
