/*
 * Which known word may have been meant by one that is not known? For the errors that people see after a slip.
 *
 *     struct nearest nearest = {.word = "notbook"};
 *     for each known word: nearest_offer(&nearest, known);
 *     nearest.meant  ->  "notebook", or "" if nothing is near
 *
 * By Levenshtein's distance: one slip in a short word, a third of its letters and one more in a longer one. Threads:
 * none of it is shared.
 */
#ifndef ATELIER_BASE_NEAREST_H
#define ATELIER_BASE_NEAREST_H

#include "base/text.h"

#define NEAREST_WORD_MAX 64 /* bytes; longer ones are near to nothing */

struct nearest {
    const char *word;
    char meant[NEAREST_WORD_MAX + 1]; /* the nearest so far, of equally near ones the first */
    size_t distance;                  /* of that */
};
void nearest_offer(struct nearest *nearest, struct slice known);

#endif
