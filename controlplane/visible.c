/* Which objects may the caller see? */
#include "controlplane/visible.h"

#include "auth/auth.h"
#include "base/random.h"
#include "tenancy/tenancy.h"

void visible_access(enum engine_kind kind, const cJSON *object, enum verb verb, struct access *ret)
{
    const char *name = json_text(object, "metadata", "name", NULL);
    const char *scope_kind = engine_kinds[kind].kind, *scope_name = name;
    if (engine_kinds[kind].namespaced && kind != KIND_SECRET)
        tenancy_scope(kind, object, &scope_kind, &scope_name);
    *ret = (struct access){
        .namespace = engine_kinds[kind].namespaced ? json_text(object, "metadata", "namespace", NULL) : name,
        .kind = scope_kind,
        .name = scope_name,
        .verb = verb,
    };
}

struct decision visible_decide(const struct policy *policy, const struct identity *identity, enum engine_kind kind,
                               const cJSON *object, enum verb verb)
{
    struct access access;
    visible_access(kind, object, verb, &access);
    if (!access.namespace || !access.name)
        return (struct decision){.reason = "the object has no name"};
    return policy_decide(policy, identity, &access);
}

void visible_filter(const struct policy *policy, const struct identity *identity, enum engine_kind kind, cJSON *items)
{
    cJSON *item = items ? items->child : NULL, *next;
    for (; item; item = next) {
        next = item->next;
        if (!visible_decide(policy, identity, kind, item, VERB_GET).allowed)
            cJSON_Delete(cJSON_DetachItemViaPointer(items, item));
    }
}

uint64_t visible_digest(const struct policy *policy, const struct identity *identity)
{
    AUTO_JSON cJSON *profiles = NULL;
    uint8_t digest[DIGEST_SIZE];
    uint64_t number;
    if (auth_profiles_of(policy, identity, &profiles) < 0)
        return 0;
    AUTO_FREE char *text = json_print(profiles);
    digest_sha256(slice_of(text), digest);
    memcpy(&number, digest, sizeof(number));
    return number;
}
