/*
 * Kubernetes label and field selectors: parsed once, matched often.
 *
 * Labels: "a=b,c==d,e!=f,g in (x,y),h notin (z),i,!j" (apimachinery labels.Parse). `!=` and `notin` also match objects
 * without the key. Fields: "metadata.name=x,status.phase!=Running"; only the fields in selector.c's table are known.
 * A selector is immutable: any thread may match with it.
 */
#ifndef ATELIER_ENGINE_SELECTOR_H
#define ATELIER_ENGINE_SELECTOR_H

#include "base/json.h"

struct selector;
/* Both may be NULL or "": *ret is then NULL, which matches everything. BAD_REQUEST says what is wrong. */
int selector_new(const char *labels, const char *fields, struct selector **ret, struct error *error);
void selector_free(struct selector *selector); /* NULL is fine */
bool selector_matches(const struct selector *selector, const cJSON *object);

/* Whether every member of <wanted> (a Service's spec.selector) is in <labels>. An empty or absent <wanted> selects
 * nothing, as in a Service. */
bool labels_contain(const cJSON *labels, const cJSON *wanted);

/* Syntax of a label key ("prefix.example/name") and value, apimachinery validation.IsQualifiedName. */
bool label_key_valid(struct slice key);
bool label_value_valid(struct slice value);

static inline void selector_free_cleanup(struct selector **selector)
{
    selector_free(*selector);
}
#define AUTO_SELECTOR __attribute__((cleanup(selector_free_cleanup)))

#endif
