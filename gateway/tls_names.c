/* Which certificate does this name get? */
#include "base/clock.h"
#include "base/map.h"
#include "gateway/host.h"
#include "gateway/tls.h"
#include "gateway/tls_lifetimes.h"

struct minted {
    struct link link; /* most recently used last */
    struct certificate *certificate;
    const struct tls_identity *identity; /* that it was minted from; compared only */
    char name[264];
};

struct tls_names {
    struct map *by_name;
    struct link used;
};

struct tls_names *tls_names_new(void)
{
    struct tls_names *names = memory_get(sizeof(*names));
    names->by_name = map_new();
    link_init(&names->used);
    return names;
}

static void forget(struct tls_names *names, struct minted *minted)
{
    map_remove(names->by_name, slice_of(minted->name));
    link_remove(&minted->link);
    certificate_free(minted->certificate);
    free(minted);
}

void tls_names_free(struct tls_names *names)
{
    if (!names)
        return;
    while (!link_is_empty(&names->used))
        forget(names, OWNER_OF(names->used.next, struct minted, link));
    map_free(names->by_name);
    free(names);
}

size_t tls_names_count(const struct tls_names *names)
{
    return map_count(names->by_name);
}

static struct minted *mint(struct tls_names *names, const struct tls_identity *identity, const char *name)
{
    const struct tls_identity_parts *parts = tls_identity_parts(identity);
    const char *own_name[] = {name, NULL}, *main_names[MAIN_NAMES];
    struct certificate *certificate;
    tls_main_names(parts->base_domain, main_names);
    if (authority_mint(parts->authority, *name ? own_name : main_names, LEAF_LIFETIME_S, &certificate, NULL) < 0)
        return NULL;
    while (map_count(names->by_name) >= (size_t)gateway_limits.certificates)
        forget(names, OWNER_OF(names->used.next, struct minted, link));
    struct minted *minted = memory_get(sizeof(*minted));
    minted->certificate = certificate;
    minted->identity = identity;
    snprintf(minted->name, sizeof(minted->name), "%s", name);
    map_put(names->by_name, slice_of(minted->name), minted);
    link_append(&names->used, &minted->link);
    return minted;
}

/* "" for everything that the main certificate answers for, and for names that are not ours. */
static const char *name_to_mint(const char *base_domain, const char *name, struct host *scratch)
{
    host_parse(slice_of(name), base_domain, scratch);
    /* A name with a port, or one that no resource could have, is no server's name. */
    if ((scratch->kind != HOST_RESOURCE && scratch->kind != HOST_GRPC) || scratch->text[scratch->name_length])
        return "";
    return scratch->text;
}

const struct certificate *tls_names_find(struct tls_names *names, const struct tls_identity *identity, const char *name)
{
    const struct tls_identity_parts *parts = tls_identity_parts(identity);
    struct host host;
    if (!parts->authority)
        return parts->certificate;
    name = name_to_mint(parts->base_domain, name, &host);
    struct minted *minted = map_get(names->by_name, slice_of(name));
    if (minted && (minted->identity != identity ||
                   certificate_not_after_ms(minted->certificate) - clock_wall_ms() < LEAF_RENEW_S * 1000)) {
        forget(names, minted);
        minted = NULL;
    }
    if (!minted && !(minted = mint(names, identity, name)))
        return NULL;
    link_remove(&minted->link);
    link_append(&names->used, &minted->link);
    return minted->certificate;
}
