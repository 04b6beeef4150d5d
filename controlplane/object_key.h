/* By what an object of a namespace is found in a map. */
#ifndef ATELIER_CONTROLPLANE_OBJECT_KEY_H
#define ATELIER_CONTROLPLANE_OBJECT_KEY_H

#include <stdio.h>

#include "base/text.h"

#define OBJECT_KEY_SIZE 384 /* two names of at most 253 and 63 bytes, with room */

/* "<namespace>/<name>" in <ret>, which must live as long as what is returned. What no API server allows has the empty
 * key. */
static inline struct slice object_key(char ret[OBJECT_KEY_SIZE], const char *namespace, const char *name)
{
    int length = snprintf(ret, OBJECT_KEY_SIZE, "%s/%s", namespace, name);
    return (struct slice){ret, length > 0 && length < OBJECT_KEY_SIZE ? (size_t)length : 0};
}

#endif
