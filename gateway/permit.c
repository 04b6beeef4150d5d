/* May this still go on? */
#include "gateway/permit.h"

#include "gateway/internal.h"

void permit_open(struct loop *loop, struct permit *permit)
{
    permit_close(permit);
    link_append(&loop->permits, &permit->link);
}

struct access permit_access(const struct permit *permit)
{
    struct access access = permit->access;
    access.uid = permit->asking.uid[0] ? permit->asking.uid : NULL;
    access.service_uid = permit->asking.service_uid[0] ? permit->asking.service_uid : NULL;
    access.path = permit->asking.serve ? permit->asking.path : NULL;
    return access;
}

void permit_close(struct permit *permit)
{
    link_remove(&permit->link);
}

static bool still_open(const struct gateway_options *options, const struct opening *opening)
{
    struct route route = {.kind = opening->kind, .tail = slice_of(opening->prefix)};
    struct target target;
    memcpy(route.namespace, opening->namespace, sizeof(route.namespace));
    memcpy(route.name, opening->name, sizeof(route.name));
    return options->resolver(options->context, &route, &target) && target.open[0];
}

static bool still_allowed(const struct gateway_options *options, const struct policy *policy,
                          const struct permit *permit)
{
    if (permit->opening.prefix[0])
        return still_open(options, &permit->opening);
    if (permit->identity.kind == IDENTITY_ANONYMOUS)
        return true; /* nothing to lose: what needed an identity had one */
    if (!policy_still_valid(policy, &permit->identity))
        return false;
    if (!permit->decide)
        return true;
    /* Who saw everything and now may see one thing in it would go on seeing everything. */
    const struct access access = permit_access(permit);
    struct decision decision = policy_decide(policy, &permit->identity, &access);
    return decision.allowed && (!decision.partial || permit->in_part);
}

void permits_review(struct loop *loop)
{
    if (link_is_empty(&loop->permits))
        return;
    const struct policy *policy = policy_take(loop->gateway->options.auth);
    /* Ending one closes its own connection only, so the next one stays where it is. */
    for (struct link *link = loop->permits.next, *next; link != &loop->permits; link = next) {
        struct permit *permit = OWNER_OF(link, struct permit, link);
        next = link->next;
        if (!still_allowed(&loop->gateway->options, policy, permit))
            permit->revoked(permit);
    }
    policy_release(policy);
}
