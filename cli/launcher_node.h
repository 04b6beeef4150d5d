/* One node type of a launcher file: what it asks a machine for. See launcher.h. */
#ifndef ATELIER_CLI_LAUNCHER_NODE_H
#define ATELIER_CLI_LAUNCHER_NODE_H

#include "cli/launcher.h"

enum launcher_cloud { LAUNCHER_GCP, LAUNCHER_AZURE };

/* Where a conversion stands: the options it runs under, and where its notes and its error go. */
struct launcher {
    const cJSON *file;
    const struct launcher_options *options;
    struct buffer *notes;
    struct error *error;
    enum launcher_cloud cloud;
    int64_t max_workers;
    bool legacy; /* head_node and worker_nodes are node_configs themselves */
};
#define LAUNCHER_PATH_MAX 192
void launcher_path(char ret[LAUNCHER_PATH_MAX], const char *base, const char *key); /* "base.key", made printable */
void launcher_path_at(char ret[LAUNCHER_PATH_MAX], const char *base, const char *key, int index); /* "base.key[2]" */
int launcher_refuse(struct launcher *launcher, const char *field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void launcher_note(struct launcher *launcher, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A whole number in that range; <fallback> where the key is absent. */
int launcher_number(struct launcher *launcher, const cJSON *object, const char *path, const char *key, int64_t least,
                    int64_t most, int64_t fallback, int64_t *ret);
/* "Ray Worker_Default" becomes "ray-worker-default"; false if nothing is left or it is longer than <size> - 1. */
bool launcher_slug(const char *text, char *ret, size_t size);

/* What a cloud's name for a machine says about it: "n1-standard-8", "Standard_NC6s_v3". False: not known. */
struct launcher_machine {
    int64_t cpus;
    int64_t memory_mib;
    int64_t gpus;
};
bool launcher_machine(enum launcher_cloud cloud, const char *name, struct launcher_machine *ret);

/* Custom resources, as rayStartParams.resources wants them: a JSON text inside a shell word. */
void launcher_set_resources(cJSON *params, const cJSON *amounts);
/* Writes resources, node selectors and rayStartParams of the type at <path> into <group>, whose template has its one
 * container already. */
int launcher_add_node(struct launcher *launcher, const cJSON *type, const char *path, cJSON *group);

#endif
