/* JSON from programs that escape what a strict parser refuses. */
#ifndef ATELIER_BASE_JSON_MEND_H
#define ATELIER_BASE_JSON_MEND_H

#include "base/text.h"

/* Escaped NULs and halves of surrogate pairs (what a job printed, as Ray's log answers carry it) become \ufffd, in
 * place: each is six bytes, and so is its replacement. Everything else stays, malformed JSON too. */
void json_mend_escapes(struct buffer *json);

#endif
