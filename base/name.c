/* Is this text a name that Kubernetes takes? (RFC 1123 and RFC 1035 as k8s.io/apimachinery/util/validation reads them)
 */
#include "base/text.h"

#define LABEL_MAX 63
#define SUBDOMAIN_MAX 253

static bool is_lower_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool name_is_label(struct slice name)
{
    if (name.n == 0 || name.n > LABEL_MAX)
        return false;
    if (!is_lower_alphanumeric(name.p[0]) || !is_lower_alphanumeric(name.p[name.n - 1]))
        return false;
    for (size_t i = 0; i < name.n; i++)
        if (!is_lower_alphanumeric(name.p[i]) && name.p[i] != '-')
            return false;
    return true;
}

bool name_is_subdomain(struct slice name)
{
    if (name.n == 0 || name.n > SUBDOMAIN_MAX || name.p[name.n - 1] == '.')
        return false;
    while (name.n) {
        /* Kubernetes bounds the whole to 253 bytes, not each part to 63. */
        struct slice rest, part = slice_split(name, '.', &rest);
        if (part.n == 0 || !is_lower_alphanumeric(part.p[0]) || !is_lower_alphanumeric(part.p[part.n - 1]))
            return false;
        for (size_t i = 0; i < part.n; i++)
            if (!is_lower_alphanumeric(part.p[i]) && part.p[i] != '-')
                return false;
        name = rest;
    }
    return true;
}

bool name_is_dns1035(struct slice name)
{
    return name_is_label(name) && name.p[0] >= 'a' && name.p[0] <= 'z';
}
