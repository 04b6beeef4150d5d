/*
 * The kinds of objects that the API serves, as a command line names them, and what a table shows of each.
 */
#ifndef ATELIER_CLI_RESOURCE_H
#define ATELIER_CLI_RESOURCE_H

#include "base/json.h"
#include "cli/table.h"

#define NOTEBOOK_STOPPED "kubeflow-resource-stopped" /* Kubeflow's annotation; its value is when */

struct resource {
    const char *group, *version, *kind, *plural, *singular, *short_name;
    bool namespaced;
    const char *const *headers; /* of its table, without the namespace */
    void (*row)(const cJSON *object, struct table *table);
};
/* By plural, singular, short name or Kind (without case); NULL if unknown. */
const struct resource *resource_by_word(const char *word);
/* The word for a kind that may have been meant by one that is not known; offers all of them. */
struct nearest;
void resource_offer(struct nearest *nearest);
/* By apiVersion and kind of a manifest. */
const struct resource *resource_by_manifest(const char *api_version, const char *kind);
/* Every word that resource_by_word knows best: "profiles, notebooks, ..." */
void resource_words(struct buffer *ret);
/* "/apis/ray.io/v1/namespaces/alice/rayclusters[/name]"; namespace NULL: of all; name NULL: the collection. malloc'ed.
 */
char *resource_path(const struct resource *resource, const char *namespace, const char *name);

/* "notebook.kubeflow.org/nb1", made printable; malloc'ed. */
char *resource_name(const struct resource *resource, const char *name);

/* One word for its state ("Running", "Ready", "Pending") and, in *ret_reason (may be NULL), why, "" if nothing to say;
 * both are good until the next call, and while <object> is. */
const char *resource_state(const struct resource *resource, const cJSON *object, const char **ret_reason);
/* Whether its status is about what is wanted now, not of before the last change; who writes none does not say. */
bool resource_is_observed(const cJSON *object);
/* Whether a person can use it now; *ret_failed: it will not come by itself. */
bool resource_is_ready(const struct resource *resource, const cJSON *object, bool *ret_failed);

#endif
