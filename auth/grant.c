/* With whom is a profile, or one resource of it, shared? */
#include "auth/internal.h"

#include "base/clock.h"

/* What can be shared by itself: the things that have a host, a dashboard or jobs of their own. */
static const char *const shareable[] = {"Notebook", "RayCluster", "RayJob", "RayService"};

#define GRANT_COLUMNS                                                                                                  \
    "g.id, g.subject_kind, g.subject_name, g.role, g.resource_kind, g.resource_name, g.expires_ms, g.created_by,"      \
    " g.created_ms, CASE WHEN g.subject_kind = 'User'"                                                                 \
    " THEN EXISTS (SELECT FROM users u WHERE u.email = g.subject_name AND NOT u.disabled)"                             \
    " ELSE EXISTS (SELECT FROM groups r WHERE r.name = g.subject_name) END AS active"

static cJSON *grant_json(const PGresult *rows, int i)
{
    cJSON *grant = json_object();
    json_set_i64(grant, "id", store_number(rows, i, "id"));
    cJSON *subject = json_set(grant, "subject", json_object());
    json_set_text(subject, "kind", store_text(rows, i, "subject_kind"));
    json_set_text(subject, "name", store_text(rows, i, "subject_name"));
    json_set_text(grant, "role", store_text(rows, i, "role"));
    if (store_text(rows, i, "resource_kind")) {
        cJSON *resource = json_set(grant, "resource", json_object());
        json_set_text(resource, "kind", store_text(rows, i, "resource_kind"));
        json_set_text(resource, "name", store_text(rows, i, "resource_name"));
    } else {
        json_set(grant, "resource", cJSON_CreateNull());
    }
    json_set_text(grant, "state", store_flag(rows, i, "active") ? "active" : "pending");
    json_set_time(grant, "expiresAt", store_number(rows, i, "expires_ms"));
    json_set_text(grant, "createdBy", store_text(rows, i, "created_by"));
    json_set_time(grant, "createdAt", store_number(rows, i, "created_ms"));
    return grant;
}

static int check_group(const char *name, char ret[255], struct error *error)
{
    size_t n = strlen(name);
    bool valid = n >= 1 && n <= EMAIL_MAX;
    for (size_t i = 0; i < n; i++)
        valid = valid && name[i] > ' ' && name[i] < 0x7f;
    if (!valid)
        return error_set(error, ERROR_INVALID, "subject.name",
                         "expected a group name: 1 to %d visible ASCII characters", EMAIL_MAX);
    memcpy(ret, name, n + 1);
    return 0;
}

static int check_subject(const char *kind, const char *name, char ret[255], struct error *error)
{
    if (strcmp(kind, "Group") == 0)
        return check_group(name, ret, error);
    if (strcmp(kind, "User") != 0)
        return error_set(error, ERROR_INVALID, "subject.kind", "expected \"User\" or \"Group\"");
    int failed = auth_email_check(slice_of(name), ret, error);
    if (failed && error)
        snprintf(error->field, sizeof(error->field), "subject.name");
    return failed;
}

static int check_terms(enum role role, int64_t expires_ms, struct error *error)
{
    if (role < ROLE_VIEWER || role > ROLE_ADMIN)
        return error_set(error, ERROR_INVALID, "role", "expected \"viewer\", \"editor\" or \"admin\"");
    if (expires_ms < 0 || (expires_ms > 0 && expires_ms <= clock_wall_ms()))
        return error_set(error, ERROR_INVALID, "expiresAt", "expected a time in the future");
    return 0;
}

static int check_resource(const char *kind, const char *name, struct error *error)
{
    bool known = false;
    if (!kind && !name)
        return 0;
    for (size_t i = 0; kind && i < COUNT_OF(shareable); i++)
        known = known || strcmp(kind, shareable[i]) == 0;
    if (!known)
        return error_set(error, ERROR_INVALID, "resource.kind",
                         "expected \"Notebook\", \"RayCluster\", \"RayJob\" or \"RayService\"");
    if (!name || !name_is_label(slice_of(name)))
        return error_set(error, ERROR_INVALID, "resource.name", "expected the name of one resource");
    return 0;
}

/* The profile's owner, and room for one more. */
static int check_profile(struct store_connection *c, const char *profile, const char *subject_kind, const char *subject,
                         struct error *error)
{
    AUTO_RESULT PGresult *rows = NULL;
    int failed = store_run_v(c, "grant_profile",
                             "SELECT u.email, (SELECT count(*) FROM grants WHERE profile = $1) AS grants"
                             " FROM profiles_owners o JOIN users u ON u.id = o.owner_user_id WHERE o.profile = $1",
                             &rows, error, STORE_TEXT(profile));
    if (failed)
        return failed;
    if (PQntuples(rows) != 1)
        return error_set(error, ERROR_NOT_FOUND, NULL, "no such profile");
    if (strcmp(subject_kind, "User") == 0 && strcmp(subject, store_text(rows, 0, "email")) == 0)
        return error_set(error, ERROR_INVALID, "subject.name", "is the owner of this profile already");
    if (store_number(rows, 0, "grants") >= GRANTS_PER_PROFILE)
        return error_set(error, ERROR_FORBIDDEN, NULL,
                         "a profile is shared with at most %d; remove some, or use a group", GRANTS_PER_PROFILE);
    return 0;
}

int auth_grant_add(struct auth *auth, const char *profile, const char *subject_kind, const char *subject_name,
                   enum role role, const char *kind, const char *name, int64_t expires_ms, const struct identity *by,
                   cJSON **ret, struct error *error)
{
    AUTO_CONNECTION struct store_connection *c = NULL;
    AUTO_RESULT PGresult *rows = NULL;
    char subject[EMAIL_MAX + 1];
    int failed = check_subject(subject_kind, subject_name, subject, error);
    if (!failed)
        failed = check_terms(role, expires_ms, error);
    if (!failed)
        failed = check_resource(kind, name, error);
    if (!failed)
        failed = policy_begin(auth, &c, error);
    if (!failed)
        failed = check_profile(c, profile, subject_kind, subject, error);
    if (!failed)
        failed = store_run_v(
            c, "grant_add",
            "WITH g AS (INSERT INTO grants(profile, subject_kind, subject_name, role, resource_kind, resource_name,"
            " created_by, created_ms, expires_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8::bigint, $9::bigint)"
            " ON CONFLICT ON CONSTRAINT grants_subject_resource DO UPDATE SET role = excluded.role,"
            " expires_ms = excluded.expires_ms, created_by = excluded.created_by, created_ms = excluded.created_ms"
            " RETURNING *) SELECT " GRANT_COLUMNS " FROM g",
            &rows, error, STORE_TEXT(profile), STORE_TEXT(subject_kind), STORE_TEXT(subject),
            STORE_TEXT(role_name(role)), STORE_TEXT(kind), STORE_TEXT(name),
            STORE_TEXT(by && by->email[0] ? by->email : "local"), STORE_I64(clock_wall_ms()),
            expires_ms ? STORE_I64(expires_ms) : STORE_NULL);
    if (!failed) /* it may lower a role, so it must be in force; adding the same again is harmless */
        failed = policy_commit(auth, &c, COMMIT_REVOKES, error);
    if (!failed && ret)
        *ret = grant_json(rows, 0);
    return failed;
}

static cJSON *owner_json(const PGresult *rows)
{
    cJSON *owner = json_object();
    json_set_i64(owner, "id", 0);
    cJSON *subject = json_set(owner, "subject", json_object());
    json_set_text(subject, "kind", "User");
    json_set_text(subject, "name", store_text(rows, 0, "email"));
    json_set_text(owner, "role", role_name(ROLE_OWNER));
    json_set(owner, "resource", cJSON_CreateNull());
    json_set_text(owner, "state", "active");
    json_set(owner, "expiresAt", cJSON_CreateNull());
    json_set_time(owner, "createdAt", store_number(rows, 0, "created_ms"));
    return owner;
}

int auth_grant_list(struct auth *auth, const char *profile, cJSON **ret_array, struct error *error)
{
    AUTO_CONNECTION struct store_connection *c = NULL;
    AUTO_RESULT PGresult *owner = NULL;
    AUTO_RESULT PGresult *rows = NULL;
    int failed = store_take(auth->options.store, &c, error);
    if (!failed)
        failed = store_run_v(c, "grant_owner",
                             "SELECT u.email, o.created_ms FROM profiles_owners o JOIN users u"
                             " ON u.id = o.owner_user_id WHERE o.profile = $1",
                             &owner, error, STORE_TEXT(profile));
    if (!failed && PQntuples(owner) != 1)
        return error_set(error, ERROR_NOT_FOUND, NULL, "no such profile");
    if (!failed)
        failed = store_run_v(c, "grant_list",
                             "SELECT " GRANT_COLUMNS " FROM grants g WHERE g.profile = $1"
                             " AND (g.expires_ms IS NULL OR g.expires_ms > $2::bigint) ORDER BY g.id",
                             &rows, error, STORE_TEXT(profile), STORE_I64(clock_wall_ms()));
    if (failed)
        return failed;
    *ret_array = json_array();
    json_push(*ret_array, owner_json(owner));
    for (int i = 0; i < PQntuples(rows); i++)
        json_push(*ret_array, grant_json(rows, i));
    return 0;
}

static int refuse_owner(struct error *error)
{
    return error_set(error, ERROR_FORBIDDEN, NULL, "the owner cannot be changed here; transfer the profile instead");
}

int auth_grant_update(struct auth *auth, const char *profile, int64_t id, enum role role, int64_t expires_ms,
                      cJSON **ret, struct error *error)
{
    AUTO_CONNECTION struct store_connection *c = NULL;
    AUTO_RESULT PGresult *rows = NULL;
    if (id == 0)
        return refuse_owner(error);
    int failed = check_terms(role, expires_ms, error);
    if (!failed)
        failed = policy_begin(auth, &c, error);
    if (!failed)
        failed = store_run_v(c, "grant_update",
                             "UPDATE grants g SET role = $3, expires_ms = $4::bigint WHERE g.profile = $1"
                             " AND g.id = $2::bigint RETURNING " GRANT_COLUMNS,
                             &rows, error, STORE_TEXT(profile), STORE_I64(id), STORE_TEXT(role_name(role)),
                             expires_ms ? STORE_I64(expires_ms) : STORE_NULL);
    if (!failed && PQntuples(rows) != 1)
        return error_set(error, ERROR_NOT_FOUND, NULL, "no such member");
    if (!failed)
        failed = policy_commit(auth, &c, COMMIT_REVOKES, error);
    if (!failed && ret)
        *ret = grant_json(rows, 0);
    return failed;
}

int auth_grant_remove(struct auth *auth, const char *profile, int64_t id, struct error *error)
{
    AUTO_CONNECTION struct store_connection *c = NULL;
    AUTO_RESULT PGresult *rows = NULL;
    if (id == 0)
        return refuse_owner(error);
    int failed = policy_begin(auth, &c, error);
    if (!failed)
        failed =
            store_run_v(c, "grant_remove", "DELETE FROM grants WHERE profile = $1 AND id = $2::bigint RETURNING id",
                        &rows, error, STORE_TEXT(profile), STORE_I64(id));
    if (!failed && PQntuples(rows) != 1)
        return error_set(error, ERROR_NOT_FOUND, NULL, "no such member");
    return failed ? failed : policy_commit(auth, &c, COMMIT_REVOKES, error);
}

int auth_grant_forget(struct auth *auth, const char *profile, const char *kind, const char *name, struct error *error)
{
    AUTO_CONNECTION struct store_connection *c = NULL;
    int failed = policy_begin(auth, &c, error);
    if (!failed)
        failed = store_run_v(c, "grant_forget",
                             "DELETE FROM grants WHERE profile = $1 AND resource_kind = $2 AND resource_name = $3",
                             NULL, error, STORE_TEXT(profile), STORE_TEXT(kind), STORE_TEXT(name));
    if (!failed) /* a new thing of the same name is another thing: cookies for the old one do not open it */
        failed = store_run_v(c, "grant_forget_sessions",
                             "DELETE FROM sessions WHERE scope_namespace = $1 AND scope_kind = $2 AND scope_name = $3",
                             NULL, error, STORE_TEXT(profile), STORE_TEXT(kind), STORE_TEXT(name));
    if (!failed)
        failed = store_run_v(c, "grant_forget_tokens",
                             "DELETE FROM tokens WHERE application_namespace = $1 AND application_kind = $2"
                             " AND application_name = $3",
                             NULL, error, STORE_TEXT(profile), STORE_TEXT(kind), STORE_TEXT(name));
    return failed ? failed : policy_commit(auth, &c, COMMIT_REVOKES, error);
}
