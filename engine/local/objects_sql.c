/* How do objects reach the table, and come back from it? */
#include "engine/local/objects_sql.h"

#include "engine/local/group.h"

/* Rows were checked when they were written, against tighter limits; these only bound a damaged table. */
static const struct json_limits row_limits = {.bytes = 2 << 20, .depth = 96, .values = 200000, .keys = 100000};

/* Rows of one page of the load: memory at start stays near what the objects themselves need. */
enum { LOAD_PAGE = 500 };

static int parse_row(const PGresult *rows, int row, cJSON **ret, size_t *ret_bytes, struct error *error)
{
    struct slice text = slice_of(store_text(rows, row, "body"));
    int r = json_parse(text, &row_limits, ret, error);
    if (r < 0)
        return error_wrap(error, "object %s/%s/%s in the database cannot be read", store_text(rows, row, "kind"),
                          store_text(rows, row, "namespace"), store_text(rows, row, "name"));
    *ret_bytes = text.n;
    return 0;
}

/* Loads one page of a kind after (*namespace, *name), and moves these on. */
static int load_page(struct store_connection *connection, enum engine_kind kind, char **namespace, char **name,
                     int *ret_count, objects_row row, void *context, struct error *error)
{
    AUTO_RESULT PGresult *rows = NULL;
    int r = store_run_v(connection, "objects_load",
                        "SELECT kind, namespace, name, resource_version, body::text AS body FROM objects"
                        " WHERE kind = $1 AND (namespace COLLATE \"C\", name COLLATE \"C\") > ($2, $3)"
                        " ORDER BY namespace COLLATE \"C\", name COLLATE \"C\" LIMIT $4",
                        &rows, error, STORE_TEXT(engine_kinds[kind].kind), STORE_TEXT(*namespace), STORE_TEXT(*name),
                        STORE_I64(LOAD_PAGE));
    if (r < 0)
        return r;
    *ret_count = PQntuples(rows);
    for (int i = 0; i < *ret_count; i++) {
        cJSON *body;
        size_t bytes;
        r = parse_row(rows, i, &body, &bytes, error);
        if (r < 0)
            return r;
        row(context, kind, store_number(rows, i, "resource_version"), body, bytes);
    }
    if (*ret_count > 0) {
        free(*namespace);
        free(*name);
        *namespace = memory_text(store_text(rows, *ret_count - 1, "namespace"));
        *name = memory_text(store_text(rows, *ret_count - 1, "name"));
    }
    return 0;
}

static int load_kind(struct store_connection *connection, enum engine_kind kind, objects_row row, void *context,
                     struct error *error)
{
    AUTO_FREE char *namespace = memory_text("");
    AUTO_FREE char *name = memory_text("");
    int count = LOAD_PAGE, r = 0;
    while (r == 0 && count == LOAD_PAGE)
        r = load_page(connection, kind, &namespace, &name, &count, row, context, error);
    return r;
}

int objects_sql_load(struct store *store, objects_row row, void *context, int64_t *ret_version, struct error *error)
{
    AUTO_CONNECTION struct store_connection *connection = NULL;
    AUTO_RESULT PGresult *version = NULL;
    int r = store_take(store, &connection, error);
    if (r == 0)
        r = store_run(connection, "objects_version", "SELECT last_value AS version FROM object_versions", NULL, 0,
                      &version, error);
    for (unsigned kind = 0; r == 0 && kind < KIND_COUNT; kind++)
        r = load_kind(connection, (enum engine_kind)kind, row, context, error);
    if (r == 0)
        *ret_version = store_number(version, 0, "version");
    return r;
}

int objects_sql_read(struct store *store, enum engine_kind kind, const char *namespace, const char *name, cJSON **ret,
                     size_t *ret_bytes, int64_t *ret_version, struct error *error)
{
    AUTO_CONNECTION struct store_connection *connection = NULL;
    AUTO_RESULT PGresult *rows = NULL;
    int r = store_take(store, &connection, error);
    if (r == 0)
        r = store_run_v(connection, "objects_read",
                        "SELECT kind, namespace, name, resource_version, body::text AS body FROM objects"
                        " WHERE kind = $1 AND namespace = $2 AND name = $3",
                        &rows, error, STORE_TEXT(engine_kinds[kind].kind), STORE_TEXT(namespace), STORE_TEXT(name));
    if (r < 0)
        return r;
    *ret = NULL;
    if (PQntuples(rows) == 1) {
        *ret_version = store_number(rows, 0, "resource_version");
        return parse_row(rows, 0, ret, ret_bytes, error);
    }
    AUTO_RESULT PGresult *version = NULL;
    r = store_run(connection, "objects_next", "SELECT nextval('object_versions') AS version", NULL, 0, &version, error);
    if (r == 0)
        *ret_version = store_number(version, 0, "version");
    return r;
}

/* After an error of these kinds the statement may have been committed all the same. */
static bool leaves_doubt(int r)
{
    return r == -ERROR_UNAVAILABLE || r == -ERROR_TIMEOUT || r == -ERROR_INTERNAL;
}

/* A writing statement returns the new version in one row, or none: then the row is not what memory holds. */
static int read_version(const PGresult *rows, int64_t *ret_version, bool *ret_unsure, struct error *error)
{
    if (PQntuples(rows) != 1) {
        *ret_unsure = true;
        return error_set(error, ERROR_CONFLICT, NULL, "the object has been changed meanwhile; read it again");
    }
    *ret_version = store_number(rows, 0, "version");
    return 0;
}

static int write_row(struct store *store, const char *name, const char *sql, const struct store_value *values,
                     size_t count, int64_t *ret_version, bool *ret_unsure, struct error *error)
{
    AUTO_CONNECTION struct store_connection *connection = NULL;
    AUTO_RESULT PGresult *rows = NULL;
    *ret_unsure = false;
    int r = store_take(store, &connection, error);
    if (r < 0)
        return r;
    r = store_run(connection, name, sql, values, count, &rows, error);
    if (r < 0) {
        *ret_unsure = leaves_doubt(r);
        return r;
    }
    return read_version(rows, ret_version, ret_unsure, error);
}

int objects_sql_insert(struct store *store, enum engine_kind kind, const char *namespace, const char *name,
                       const char *uid, const char *text, int64_t *ret_version, bool *ret_unsure, struct error *error)
{
    const struct store_value values[] = {STORE_TEXT(engine_kinds[kind].kind), STORE_TEXT(namespace), STORE_TEXT(name),
                                         STORE_TEXT(uid), STORE_TEXT(text)};
    return write_row(store, "objects_insert",
                     "INSERT INTO objects (kind, namespace, name, uid, body) VALUES ($1, $2, $3, $4, $5)"
                     " RETURNING resource_version AS version",
                     values, COUNT_OF(values), ret_version, ret_unsure, error);
}

static const char update[] = "UPDATE objects SET body = $5, resource_version = nextval('object_versions')"
                             " WHERE kind = $1 AND namespace = $2 AND name = $3 AND resource_version = $4"
                             " RETURNING resource_version AS version";
enum { UPDATE_VALUES = 5 };

static void update_values(const struct object *current, const char *text, struct store_value *ret)
{
    ret[0] = STORE_TEXT(engine_kinds[current->kind].kind);
    ret[1] = STORE_TEXT(current->namespace);
    ret[2] = STORE_TEXT(current->name);
    ret[3] = STORE_I64(current->version);
    ret[4] = STORE_TEXT(text);
}

int objects_sql_update(struct store *store, const struct object *current, const char *text, int64_t *ret_version,
                       bool *ret_unsure, struct error *error)
{
    struct store_value values[UPDATE_VALUES];
    update_values(current, text, values);
    return write_row(store, "objects_update", update, values, UPDATE_VALUES, ret_version, ret_unsure, error);
}

static void update_one(struct store *store, struct group_write *write)
{
    write->result =
        objects_sql_update(store, write->current, write->text, &write->version, &write->unsure, &write->error);
}

static int update_together(struct store *store, struct group_write *writes, size_t count, struct error *error)
{
    AUTO_CONNECTION struct store_connection *connection = NULL;
    struct store_value values[GROUP_MAX * UPDATE_VALUES];
    PGresult *rows[GROUP_MAX];
    size_t at = 0;
    for (const struct group_write *write = writes; write; write = write->next)
        update_values(write->current, write->text, values + UPDATE_VALUES * at++);
    int r = store_take(store, &connection, error);
    if (r == 0)
        r = store_run_each(connection, "objects_update", update, values, UPDATE_VALUES, count, rows, error);
    at = 0;
    for (struct group_write *write = writes; r == 0 && write; write = write->next) {
        write->result = read_version(rows[at], &write->version, &write->unsure, &write->error);
        PQclear(rows[at++]);
    }
    return r;
}

void objects_sql_update_all(struct store *store, struct group_write *writes)
{
    struct error error = {0};
    size_t count = 0;
    for (const struct group_write *write = writes; write; write = write->next)
        count++;
    int r = count > 1 ? update_together(store, writes, count, &error) : 0;
    bool away = r == -ERROR_UNAVAILABLE || r == -ERROR_TIMEOUT;
    for (struct group_write *write = writes; write; write = write->next) {
        if (count > 1 && away) { /* nobody knows whether it was committed */
            write->unsure = true;
            write->error = error;
            write->result = r;
        } else if (count == 1 || r < 0) { /* none was kept because of one of them: each for itself */
            update_one(store, write);
        }
    }
}

int objects_sql_delete(struct store *store, const struct object *current, int64_t *ret_version, bool *ret_unsure,
                       struct error *error)
{
    const struct store_value values[] = {STORE_TEXT(engine_kinds[current->kind].kind), STORE_TEXT(current->namespace),
                                         STORE_TEXT(current->name), STORE_I64(current->version)};
    return write_row(store, "objects_delete",
                     "DELETE FROM objects WHERE kind = $1 AND namespace = $2 AND name = $3 AND resource_version = $4"
                     " RETURNING nextval('object_versions') AS version",
                     values, COUNT_OF(values), ret_version, ret_unsure, error);
}
