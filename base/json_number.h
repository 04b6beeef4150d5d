/* How both printers of base write a number: shortest form that reads back as the same double. */
#ifndef ATELIER_BASE_JSON_NUMBER_H
#define ATELIER_BASE_JSON_NUMBER_H

#include "base/text.h"

void json_print_number(double value, struct buffer *ret); /* "null" if not finite */

#endif
