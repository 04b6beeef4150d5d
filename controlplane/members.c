/* Who is in a profile, and as what? */
#include "controlplane/handlers.h"

#include "controlplane/ids.h"
#include "controlplane/list_watch.h"
#include "tenancy/tenancy.h"

static const char *const member_fields[] = {"subject", "role", "resource", "expiresAt", NULL};

static int read_members(struct server *server, const struct identity *identity, const char *namespace, int64_t limit,
                        cJSON **ret_items, struct error *error)
{
    (void)identity;
    (void)limit;
    return auth_grant_list(server->auth, namespace, ret_items, error);
}

int members_list(struct call *call, struct error *error)
{
    static const struct people_list list = {.read = read_members, .whose = LIST_OF_PROFILE, .verb = VERB_MEMBERS_READ};
    return list_answer(call, &list, 0, error);
}

/* "bob@example.com as editor of Notebook nb1", for the audit log. */
static const char *describe(const struct call *call, const cJSON *member)
{
    const char *kind = json_text(member, "resource", "kind", NULL);
    return arena_format(call->request->arena, "%s as %s%s%s%s%s", json_text_or("", member, "subject", "name", NULL),
                        json_text_or("", member, "role", NULL), kind ? " of " : "", kind ? kind : "", kind ? " " : "",
                        json_text_or("", member, "resource", "name", NULL));
}

int members_add(struct call *call, struct error *error)
{
    AUTO_JSON cJSON *body = NULL, *member = NULL;
    int status = call_body(call, member_fields, &body, error);
    if (status < 0)
        return status;
    call->detail = describe(call, body);
    status = tenancy_member_add(call->server->tenancy, call->namespace, body, call->request->identity, &member, error);
    if (status < 0)
        return status;
    call_json(call, 201, member);
    return 0;
}

int members_change(struct call *call, struct error *error)
{
    static const char *const known[] = {"role", "expiresAt", NULL};
    AUTO_JSON cJSON *body = NULL, *member = NULL;
    int64_t id;
    int status = ids_parse(call, &id, error);
    if (status == 0)
        status = call_body(call, known, &body, error);
    if (status == 0)
        status = tenancy_member_update(call->server->tenancy, call->namespace, id, body, &member, error);
    if (status < 0)
        return status;
    call->detail = describe(call, member);
    call_json(call, 200, member);
    return 0;
}

int members_remove(struct call *call, struct error *error)
{
    int64_t id;
    int status = ids_parse(call, &id, error);
    if (status == 0)
        status = auth_grant_remove(call->server->auth, call->namespace, id, error);
    if (status == 0)
        call_empty(call, 204);
    return status;
}

/* The account is checked before anything changes; the object follows the truth in auth, which decides. */
int owner_change(struct call *call, struct error *error)
{
    static const char *const known[] = {"email", NULL};
    AUTO_JSON cJSON *body = NULL, *patch = json_object(), *profile = NULL;
    const char *given = NULL;
    char email[255];
    int status = call_body(call, known, &body, error);
    if (status == 0)
        status = body_text(body, "email", true, &given, error);
    if (status == 0)
        status = auth_email_check(slice_of(given), email, error);
    if (status < 0)
        return status;
    call->detail = arena_format(call->request->arena, "to %s", email);
    status = auth_profile_transfer(call->server->auth, call->namespace, email, error);
    if (status < 0)
        return status;
    json_set_text(json_object_in(json_object_in(patch, "spec"), "owner"), "name", email);
    status = engine_patch(call->server->engine, KIND_PROFILE, NULL, call->namespace, ENGINE_SPEC, ENGINE_PATCH_MERGE,
                          patch, &profile, error);
    if (status < 0)
        return status;
    call_json(call, 200, body);
    return 0;
}
