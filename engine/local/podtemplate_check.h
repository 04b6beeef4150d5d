/*
 * What a pod may ask for on this engine (design.md, Contracts: "Pod templates on the local engine").
 *
 * One table a level of the PodSpec says for every field: honoured (and then how it must look), kept and ignored (a
 * scheduling hint), or refused. A field that is in no table is refused by name.
 */
#ifndef ATELIER_ENGINE_LOCAL_PODTEMPLATE_CHECK_H
#define ATELIER_ENGINE_LOCAL_PODTEMPLATE_CHECK_H

#include "base/json.h"
#include "engine/local/images.h"

/* <template> has metadata and spec. Paths in errors begin with <path> ("" for a Pod itself). */
int podtemplate_check(struct image_store *images, const cJSON *template, const char *path, struct error *error);

#endif
