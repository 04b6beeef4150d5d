/* Which limits does this process run with? */
#include "gateway/limits.h"

struct gateway_limits gateway_limits = {
#define X(name, value, why) .name = (value),
    GATEWAY_LIMIT_TABLE(X)
#undef X
};
