/* Is what the people API says about a member a grant that can be given? */
#include "tenancy/internal.h"

#include "base/clock.h"
#include "tenancy/shape.h"

#define MEMBER_GROUP_NAME_MAX 253

struct member {
    const char *subject_kind, *kind, *name;
    char subject_name[255];
    enum role role;
    int64_t expires_ms;
};

static int member_role(const cJSON *body, enum role *ret, struct error *error)
{
    const char *role = NULL;
    int r = shape_text(body, "", "role", &role, error);
    if (r < 0)
        return r;
    if (!role || !role_parse(slice_of(role), ret))
        return error_set(error, ERROR_INVALID, "role", "role must be viewer, editor or admin");
    return 0;
}

/* Absent or null: never. */
static int member_expiry(const cJSON *body, int64_t *ret, struct error *error)
{
    const cJSON *value = json_member(body, "expiresAt");
    *ret = 0;
    if (!value || cJSON_IsNull(value))
        return 0;
    int64_t when = 0;
    if (!cJSON_IsString(value) || !clock_parse(slice_of(value->valuestring), &when))
        return error_set(error, ERROR_INVALID, "expiresAt", "expiresAt must be a time such as 2027-01-31T18:00:00Z");
    if (when <= clock_wall_ms())
        return error_set(error, ERROR_INVALID, "expiresAt", "expiresAt must be in the future");
    *ret = when;
    return 0;
}

static int member_subject(const cJSON *body, struct member *member, struct error *error)
{
    static const char *const known[] = {"kind", "name", NULL};
    cJSON *subject = NULL;
    const char *kind = NULL;
    const char *name = NULL;
    int r = shape_object(body, "", "subject", &subject, error);
    if (r == 0 && !subject)
        return error_set(error, ERROR_INVALID, "subject", "subject must be an object with kind and name");
    if (r == 0)
        r = json_check_known(subject, "subject", known, error);
    if (r == 0)
        r = shape_text(subject, "subject", "kind", &kind, error);
    if (r == 0)
        r = shape_text(subject, "subject", "name", &name, error);
    if (r < 0)
        return r;
    if (kind && strcmp(kind, "User") != 0 && strcmp(kind, "Group") != 0)
        return error_set(error, ERROR_INVALID, "subject.kind", "subject.kind must be User or Group");
    if (!name || !*name)
        return error_set(error, ERROR_INVALID, "subject.name", "subject.name must say who");
    member->subject_kind = kind && strcmp(kind, "Group") == 0 ? "Group" : "User";
    if (strcmp(member->subject_kind, "User") == 0) {
        if (auth_email_check(slice_of(name), member->subject_name, NULL) < 0)
            return error_set(error, ERROR_INVALID, "subject.name", "subject.name must be an e-mail address");
        return 0;
    }
    if (strlen(name) > MEMBER_GROUP_NAME_MAX)
        return error_set(error, ERROR_INVALID, "subject.name", "a group's name has at most %d characters",
                         MEMBER_GROUP_NAME_MAX);
    memcpy(member->subject_name, name, strlen(name) + 1);
    return 0;
}

/* The resource must exist: a grant on a name that is free would fall to whatever gets that name later. */
static int member_resource(struct tenancy *tenancy, const char *profile, const cJSON *body, struct member *member,
                           struct error *error)
{
    static const char *const known[] = {"kind", "name", NULL};
    const cJSON *value = json_member(body, "resource");
    if (!value || cJSON_IsNull(value))
        return 0;
    cJSON *resource = NULL;
    const char *kind = NULL;
    const char *name = NULL;
    int r = shape_object(body, "", "resource", &resource, error);
    if (r == 0)
        r = json_check_known(resource, "resource", known, error);
    if (r == 0)
        r = shape_text(resource, "resource", "kind", &kind, error);
    if (r == 0)
        r = shape_text(resource, "resource", "name", &name, error);
    if (r < 0)
        return r;
    bool notebook = kind && strcmp(kind, "Notebook") == 0;
    if (!notebook && !(kind && strcmp(kind, "RayCluster") == 0))
        return error_set(error, ERROR_INVALID, "resource.kind", "resource.kind must be Notebook or RayCluster");
    if (!name || !name_is_label(slice_of(name)))
        return error_set(error, ERROR_INVALID, "resource.name", "resource.name must be the name of a %s",
                         notebook ? "Notebook" : "RayCluster");
    AUTO_JSON cJSON *object = NULL;
    r = engine_get(tenancy->engine, notebook ? KIND_NOTEBOOK : KIND_RAYCLUSTER, profile, name, &object, error);
    if (r == -ERROR_NOT_FOUND)
        return error_set(error, ERROR_INVALID, "resource.name", "there is no %s named %s in this profile",
                         notebook ? "Notebook" : "RayCluster", name);
    if (r < 0)
        return r;
    member->kind = notebook ? "Notebook" : "RayCluster";
    member->name = name;
    return 0;
}

int tenancy_member_add(struct tenancy *tenancy, const char *profile, const cJSON *body, const struct identity *by,
                       cJSON **ret, struct error *error)
{
    static const char *const known[] = {"subject", "role", "resource", "expiresAt", NULL};
    struct member member = {0};
    if (!cJSON_IsObject(body))
        return error_set(error, ERROR_INVALID, NULL, "the body must be an object with subject and role");
    int r = json_check_known(body, "", known, error);
    if (r == 0)
        r = member_subject(body, &member, error);
    if (r == 0)
        r = member_role(body, &member.role, error);
    if (r == 0)
        r = member_expiry(body, &member.expires_ms, error);
    if (r == 0)
        r = member_resource(tenancy, profile, body, &member, error);
    if (r < 0)
        return r;
    return auth_grant_add(tenancy->auth, profile, member.subject_kind, member.subject_name, member.role, member.kind,
                          member.name, member.expires_ms, by, ret, error);
}

/* What the grant says now: role and expiry that the body leaves out stay. */
static int member_current(struct tenancy *tenancy, const char *profile, int64_t id, struct member *ret,
                          struct error *error)
{
    AUTO_JSON cJSON *grants = NULL;
    int r = auth_grant_list(tenancy->auth, profile, &grants, error);
    if (r < 0)
        return r;
    for (const cJSON *grant = grants->child; grant; grant = grant->next) {
        int64_t grant_id = 0;
        if (!json_i64(json_member(grant, "id"), &grant_id) || grant_id != id)
            continue;
        const char *expires = json_text(grant, "expiresAt", NULL);
        if (!role_parse(slice_of(json_text_or("", grant, "role", NULL)), &ret->role))
            return error_set(error, ERROR_INVALID, "role", "the owner's role changes by transferring the profile");
        if (expires && !clock_parse(slice_of(expires), &ret->expires_ms))
            ret->expires_ms = 0;
        return 0;
    }
    return error_set(error, ERROR_NOT_FOUND, NULL, "no such member");
}

int tenancy_member_update(struct tenancy *tenancy, const char *profile, int64_t id, const cJSON *body, cJSON **ret,
                          struct error *error)
{
    static const char *const known[] = {"role", "expiresAt", NULL};
    struct member member = {0};
    if (!cJSON_IsObject(body))
        return error_set(error, ERROR_INVALID, NULL, "the body must be an object with role or expiresAt");
    int r = json_check_known(body, "", known, error);
    if (r == 0)
        r = member_current(tenancy, profile, id, &member, error);
    if (r == 0 && json_member(body, "role"))
        r = member_role(body, &member.role, error);
    if (r == 0 && json_member(body, "expiresAt"))
        r = member_expiry(body, &member.expires_ms, error);
    if (r < 0)
        return r;
    return auth_grant_update(tenancy->auth, profile, id, member.role, member.expires_ms, ret, error);
}
