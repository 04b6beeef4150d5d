/* Who owns which field, and may this manager have it? */
#include "controlplane/managed.h"

#include "base/fieldset.h"

#define BEFORE "before-first-apply"
#define ANCIENT "ancient-changes"
#define UPDATERS_MAX 10 /* entries of other writers; the oldest become one (as kube-apiserver) */
#define ENTRIES_MAX 32  /* in all: appliers are few */
#define CAUSES_MAX 64   /* conflicts that are listed */

/* --- what is tracked ---------------------------------------------------------------------------------------------- */

static cJSON *without_nulls(const cJSON *value)
{
    cJSON *copy = json_copy(value);
    for (cJSON *member = cJSON_IsObject(copy) ? copy->child : NULL; member;) {
        cJSON *next = member->next;
        if (cJSON_IsNull(member))
            cJSON_Delete(cJSON_DetachItemViaPointer(copy, member));
        else if (cJSON_IsObject(member))
            cJSON_ReplaceItemViaPointer(copy, member, without_nulls(member));
        member = next;
    }
    return copy;
}

/* The part of an object that has owners. */
static cJSON *tracked(const cJSON *object)
{
    static const char *const parts[] = {"labels", "annotations"};
    cJSON *part = without_nulls(object);
    const cJSON *metadata = json_member(object, "metadata");
    json_remove(part, "apiVersion");
    json_remove(part, "kind");
    json_remove(part, "status");
    json_remove(part, "metadata");
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        const cJSON *has = json_member(metadata, parts[i]);
        if (cJSON_IsObject(has))
            json_set(json_object_in(part, "metadata"), parts[i], without_nulls(has));
    }
    return part;
}

/* --- entries ------------------------------------------------------------------------------------------------------ */

static cJSON *new_entry(const char *manager, const char *operation, const char *api_version, const char *now,
                        cJSON *fields)
{
    cJSON *entry = json_object();
    json_set_text(entry, "manager", manager);
    json_set_text(entry, "operation", operation);
    json_set_text(entry, "apiVersion", api_version);
    json_set_text(entry, "time", now);
    json_set_text(entry, "fieldsType", "FieldsV1");
    json_set(entry, "fieldsV1", fields);
    return entry;
}

static const cJSON *fields_of(const cJSON *entry)
{
    return json_member(entry, "fieldsV1");
}

static bool is_entry(const cJSON *entry, const char *manager, const char *operation)
{
    return strcmp(json_text_or("", entry, "manager", NULL), manager) == 0 &&
           strcmp(json_text_or("", entry, "operation", NULL), operation) == 0 && !json_member(entry, "subresource");
}

static cJSON *find_entry(const cJSON *entries, const char *manager, const char *operation)
{
    for (cJSON *entry = entries->child; entry; entry = entry->next)
        if (is_entry(entry, manager, operation))
            return entry;
    return NULL;
}

static void drop_fields(cJSON *entry, const cJSON *fields)
{
    json_set(entry, "fieldsV1", fieldset_minus(fields_of(entry), fields));
}

static bool is_update(const cJSON *entry)
{
    return strcmp(json_text_or("", entry, "operation", NULL), "Update") == 0;
}

/* Entries without a field go; of too many writers the first, which are the oldest, become one. */
static void tidy(cJSON *entries)
{
    int updaters = 0;
    for (cJSON *entry = entries->child, *next; entry; entry = next) {
        next = entry->next;
        const cJSON *fields = fields_of(entry);
        if (!fields || !fields->child)
            cJSON_Delete(cJSON_DetachItemViaPointer(entries, entry));
        else
            updaters += is_update(entry);
    }
    cJSON *ancient = find_entry(entries, ANCIENT, "Update");
    for (cJSON *entry = entries->child, *next; entry && updaters > UPDATERS_MAX; entry = next) {
        next = entry->next;
        if (!is_update(entry) || entry == ancient)
            continue;
        if (!ancient) {
            json_set_text(entry, "manager", ANCIENT);
            ancient = entry;
            continue;
        }
        json_set(ancient, "fieldsV1", fieldset_union(fields_of(ancient), fields_of(entry)));
        json_set_text(ancient, "time", json_text(entry, "time", NULL));
        cJSON_Delete(cJSON_DetachItemViaPointer(entries, entry));
        updaters--;
    }
}

/* --- conflicts ---------------------------------------------------------------------------------------------------- */

struct conflicts {
    cJSON *causes;
    struct buffer lines; /* by manager */
    struct buffer first; /* its path, while it is the only one */
    const char *manager; /* as it is called in a cause */
    int count;
};

static void add_conflict(void *context, const char *path)
{
    struct conflicts *conflicts = context;
    if (conflicts->count++ == 0)
        buffer_add_text(&conflicts->first, path);
    if (conflicts->count > CAUSES_MAX)
        return;
    AUTO_FREE char *message = memory_format("conflict with %s", conflicts->manager);
    cJSON *cause = json_push(conflicts->causes, json_object());
    json_set_text(cause, "reason", "FieldManagerConflict");
    json_set_text(cause, "message", message);
    json_set_text(cause, "field", path);
    buffer_add_format(&conflicts->lines, "\n- %s", path);
}

/* The manager in the words of kube-apiserver, which kubectl prints. */
static char *manager_words(const cJSON *entry)
{
    AUTO_FREE char *name = json_print(json_member(entry, "manager"));
    const char *part = json_text(entry, "subresource", NULL);
    const char *time = json_text(entry, "time", NULL);
    if (!is_update(entry))
        return memory_text(name);
    return memory_format("%s%s%s%s using %s%s%s", name, part ? " with subresource \"" : "", part ? part : "",
                         part ? "\"" : "", json_text_or("", entry, "apiVersion", NULL), time ? " at " : "",
                         time ? time : "");
}

static void note_conflict(struct conflicts *conflicts, const cJSON *entry, const cJSON *fields)
{
    AUTO_FREE char *words = manager_words(entry);
    conflicts->manager = words;
    buffer_add_format(&conflicts->lines, "%sconflicts with %s:", conflicts->lines.n ? "\n" : "", words);
    fieldset_paths(fields, add_conflict, conflicts);
}

static int refuse(const struct conflicts *conflicts, struct error *error)
{
    const char *only = json_text_or("", conflicts->causes->child, "message", NULL);
    if (conflicts->count == 1)
        return error_set(error, ERROR_CONFLICT, NULL, "Apply failed with 1 conflict: %s: %s", only, conflicts->first.p);
    return error_set(error, ERROR_CONFLICT, NULL, "Apply failed with %d conflicts: %s", conflicts->count,
                     conflicts->lines.p ? conflicts->lines.p : "");
}

/* --- apply -------------------------------------------------------------------------------------------------------- */

static int check_applied(const struct managed_apply *apply, struct error *error)
{
    size_t length = apply->manager ? strlen(apply->manager) : 0;
    const cJSON *managed = json_at(apply->applied, "metadata", "managedFields", NULL);
    if (length == 0 || length > MANAGED_NAME_MAX)
        return error_set(error, ERROR_BAD_REQUEST, "fieldManager",
                         "server-side apply needs the query parameter fieldManager, a name of at most %d bytes",
                         MANAGED_NAME_MAX);
    for (const char *p = apply->manager; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            return error_set(error, ERROR_BAD_REQUEST, "fieldManager", "fieldManager must be printable");
    if (!cJSON_IsObject(apply->applied))
        return error_set(error, ERROR_BAD_REQUEST, NULL, "what is applied must be an object");
    if (managed && !cJSON_IsNull(managed) && managed->child)
        return error_set(error, ERROR_BAD_REQUEST, "metadata.managedFields",
                         "metadata.managedFields must be absent from what is applied");
    return 0;
}

/* What is there, as entries. */
static cJSON *entries_of(const cJSON *live, const cJSON *live_part, const struct managed_apply *apply)
{
    const cJSON *managed = json_at(live, "metadata", "managedFields", NULL);
    if (managed && managed->child)
        return json_copy(managed);
    cJSON *entries = json_array();
    if (live)
        json_push(entries, new_entry(BEFORE, "Update", apply->api_version,
                                     json_text_or(apply->now, live, "metadata", "creationTimestamp", NULL),
                                     fieldset_of(live_part)));
    return entries;
}

/* Takes from every other manager what now is another's; their conflicts, unless it is forced. */
static void take_from_others(const struct managed_apply *apply, cJSON *entries, const cJSON *changed,
                             const cJSON *removed, struct conflicts *conflicts)
{
    for (cJSON *entry = entries->child; entry; entry = entry->next) {
        if (is_entry(entry, apply->manager, "Apply"))
            continue;
        AUTO_JSON cJSON *both = fieldset_and(fields_of(entry), changed);
        if (both->child && !apply->force)
            note_conflict(conflicts, entry, both);
        drop_fields(entry, both);
        drop_fields(entry, removed);
    }
}

static cJSON *owned_by_others(const struct managed_apply *apply, const cJSON *entries)
{
    cJSON *all = json_object();
    for (const cJSON *entry = entries->child; entry; entry = entry->next) {
        if (is_entry(entry, apply->manager, "Apply"))
            continue;
        cJSON *more = fieldset_union(all, fields_of(entry));
        cJSON_Delete(all);
        all = more;
    }
    return all;
}

/* <fields> is consumed. */
static void own(const struct managed_apply *apply, cJSON *entries, cJSON *fields, bool changed)
{
    cJSON *entry = find_entry(entries, apply->manager, "Apply");
    bool same = entry && !changed && json_equal(fields_of(entry), fields);
    if (!entry) {
        json_push(entries, new_entry(apply->manager, "Apply", apply->api_version, apply->now, fields));
        return;
    }
    if (!same)
        json_set_text(entry, "time", apply->now);
    json_set_text(entry, "apiVersion", apply->api_version);
    json_set(entry, "fieldsV1", fields);
}

/* The live object with another tracked part. */
static cJSON *with_part(const struct managed_apply *apply, const cJSON *part)
{
    cJSON *object = json_object();
    cJSON *metadata = json_object_in(object, "metadata");
    const cJSON *version = json_at(apply->applied, "metadata", "resourceVersion", NULL);
    const cJSON *from = apply->live ? apply->live : apply->applied;
    static const char *const names[] = {"name", "namespace"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        json_set_text(metadata, names[i], json_text(from, "metadata", names[i], NULL));
    if (version)
        json_set(metadata, "resourceVersion", json_copy(version));
    if (apply->live) {
        static const char *const kept[] = {"finalizers", "ownerReferences", "uid"};
        for (size_t i = 0; i < COUNT_OF(kept); i++) {
            const cJSON *is = json_at(apply->live, "metadata", kept[i], NULL);
            if (is)
                json_set(metadata, kept[i], json_copy(is));
        }
    }
    for (const cJSON *member = json_member(part, "metadata") ? json_member(part, "metadata")->child : NULL; member;
         member = member->next)
        json_set(metadata, member->string, json_copy(member));
    for (const cJSON *member = part->child; member; member = member->next)
        if (strcmp(member->string, "metadata") != 0)
            json_set(object, member->string, json_copy(member));
    json_set_text(object, "apiVersion", json_text(apply->applied, "apiVersion", NULL));
    json_set_text(object, "kind", json_text(apply->applied, "kind", NULL));
    return object;
}

int managed_apply(const struct managed_apply *apply, cJSON **ret_object, cJSON **ret_managed, cJSON **ret_causes,
                  struct error *error)
{
    int status = check_applied(apply, error);
    if (status < 0)
        return status;
    AUTO_JSON cJSON *live_part = apply->live ? tracked(apply->live) : json_object();
    AUTO_JSON cJSON *applied_part = tracked(apply->applied);
    AUTO_JSON cJSON *entries = entries_of(apply->live, live_part, apply);
    AUTO_JSON cJSON *fields = fieldset_of(applied_part);
    AUTO_JSON cJSON *others = owned_by_others(apply, entries);
    AUTO_JSON cJSON *kept = fieldset_union(others, fields);
    AUTO_JSON cJSON *lost = fieldset_minus(fields_of(find_entry(entries, apply->manager, "Apply")), fields);
    AUTO_JSON cJSON *merged = fieldset_merge(live_part, applied_part);
    AUTO_JSON cJSON *changed = NULL;
    AUTO_JSON cJSON *removed = NULL;
    struct conflicts conflicts = {.causes = json_array()};
    fieldset_prune(merged, lost, kept);
    fieldset_changes(live_part, merged, &changed, &removed);
    take_from_others(apply, entries, changed, removed, &conflicts);
    own(apply, entries, TAKE_POINTER(fields), changed->child || removed->child);
    tidy(entries);
    if (conflicts.count) {
        status = refuse(&conflicts, error);
        *ret_causes = TAKE_POINTER(conflicts.causes);
    } else if (cJSON_GetArraySize(entries) > ENTRIES_MAX) {
        status = error_set(error, ERROR_INVALID, "fieldManager", "at most %d managers may own fields of one object",
                           ENTRIES_MAX);
    } else {
        *ret_object = with_part(apply, merged);
        *ret_managed = TAKE_POINTER(entries);
    }
    cJSON_Delete(conflicts.causes);
    buffer_free(&conflicts.lines);
    buffer_free(&conflicts.first);
    return status;
}

/* --- other writers ------------------------------------------------------------------------------------------------ */

cJSON *managed_update(const cJSON *old, const cJSON *object, const char *manager, const char *now)
{
    const cJSON *managed = json_at(object, "metadata", "managedFields", NULL);
    if (!managed || !managed->child)
        return NULL;
    AUTO_JSON cJSON *before = tracked(old);
    AUTO_JSON cJSON *after = tracked(object);
    AUTO_JSON cJSON *changed = NULL;
    AUTO_JSON cJSON *removed = NULL;
    cJSON *entries = json_copy(managed);
    fieldset_changes(before, after, &changed, &removed);
    if (!changed->child && !removed->child)
        return entries;
    cJSON *own_entry = find_entry(entries, manager, "Update");
    for (cJSON *entry = entries->child; entry; entry = entry->next) {
        drop_fields(entry, removed);
        if (entry != own_entry)
            drop_fields(entry, changed);
    }
    if (changed->child) {
        const char *version = json_text_or("v1", object, "apiVersion", NULL);
        cJSON *fields = own_entry ? fieldset_union(fields_of(own_entry), changed) : TAKE_POINTER(changed);
        if (own_entry)
            cJSON_Delete(cJSON_DetachItemViaPointer(entries, own_entry)); /* the newest stands last */
        json_push(entries, new_entry(manager, "Update", version, now, fields));
    }
    tidy(entries);
    return entries;
}

static int check_fields(const cJSON *node, int depth, const char *path, struct error *error)
{
    for (const cJSON *child = node->child; child; child = child->next) {
        bool named = strcmp(child->string, ".") == 0 || strncmp(child->string, "f:", 2) == 0 ||
                     strncmp(child->string, "k:", 2) == 0 || strncmp(child->string, "v:", 2) == 0;
        if (!named || !cJSON_IsObject(child) || depth == 0)
            return error_set(error, ERROR_INVALID, path, "%s is not a set of fields in the form FieldsV1", path);
        int status = check_fields(child, depth - 1, path, error);
        if (status < 0)
            return status;
    }
    return 0;
}

int managed_check(const cJSON *given, struct error *error)
{
    int index = 0;
    if (!cJSON_IsArray(given) || cJSON_GetArraySize(given) > ENTRIES_MAX)
        return error_set(error, ERROR_INVALID, "metadata.managedFields",
                         "metadata.managedFields must be a list of at most %d entries", ENTRIES_MAX);
    for (const cJSON *entry = given->child; entry; entry = entry->next) {
        char path[64];
        snprintf(path, sizeof(path), "metadata.managedFields[%d]", index++);
        const char *operation = json_text_or("", entry, "operation", NULL);
        const char *manager = json_text_or("", entry, "manager", NULL);
        const cJSON *fields = fields_of(entry);
        if (!cJSON_IsObject(entry) || (strcmp(operation, "Apply") != 0 && strcmp(operation, "Update") != 0) ||
            !manager[0] || strlen(manager) > MANAGED_NAME_MAX || !cJSON_IsObject(fields))
            return error_set(error, ERROR_INVALID, path, "%s needs manager, operation (Apply or Update) and fieldsV1",
                             path);
        int status = check_fields(fields, (int)json_limits_default.depth, path, error);
        if (status < 0)
            return status;
    }
    return 0;
}
