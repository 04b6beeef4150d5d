/* May this object be stored, and as what? One check a kind, for creation and change alike. */
#ifndef ATELIER_CONTROLPLANE_ADMISSION_H
#define ATELIER_CONTROLPLANE_ADMISSION_H

#include "controlplane/call.h"

/* Checks and completes <object>, whose metadata is admitted already. <old> NULL: it is to be created. */
int admission_admit(struct call *call, enum engine_kind kind, const cJSON *old, cJSON *object, struct error *error);
/* After it was stored: what is fine to store and still worth a word, as events about it. */
void admission_remark(struct engine *engine, enum engine_kind kind, const cJSON *stored);
/* The same to whoever asks, also of a dry run, as Warning headers of the answer: kubectl and atelier print them. */
void admission_warn(struct call *call, const cJSON *object);
/* FORBIDDEN for what belongs to the profile itself and that people may neither make, change nor delete by hand. */
int admission_check_reserved(enum engine_kind kind, const char *name, const cJSON *old, struct error *error);

/* FORBIDDEN, for a change of a StatefulSet that is more than a restart. */
int admission_refuse_statefulset(struct error *error);

/* For kinds that Atelier does not know: nobody may make them look as if they were Atelier's, or touch what is. */
int admission_check_unknown(const cJSON *old, const cJSON *object, struct error *error);

#endif
