/* Which templates has a StatefulSet had? */
#include "engine/local/revision.h"

#include "base/random.h"

enum { LABEL_BYTES_MAX = 63, HISTORY_DEFAULT = 10, HISTORY_MAX = 100 };
#define LABEL_HASH "controller.kubernetes.io/hash"

void revision_of(const struct object *set, struct revision *ret)
{
    char hash[2 * DIGEST_SIZE + 1];
    AUTO_FREE char *text = json_print(json_at(set->body, "spec", "template", NULL));
    digest_sha256_hex(slice_of(text), hash);
    (void)snprintf(ret->hash, sizeof(ret->hash), "%.*s", REVISION_DIGITS, hash);
    (void)snprintf(ret->name, sizeof(ret->name), "%s-%s", set->name, ret->hash);
}

const char *revision_label(const struct revision *revision)
{
    return strlen(revision->name) <= LABEL_BYTES_MAX ? revision->name : revision->hash;
}

bool revision_is_of(const struct revision *revision, const struct object *pod)
{
    const char *label = json_text_or("", pod->body, "metadata", "labels", LABEL_REVISION, NULL);
    return strcmp(label, revision->name) == 0 || strcmp(label, revision->hash) == 0;
}

static int64_t number_of(const struct object *revision)
{
    return json_i64_or(0, revision->body, "revision", NULL);
}

static cJSON *new_revision(const struct object *set, const struct revision *revision, int64_t number)
{
    const cJSON *template = json_at(set->body, "spec", "template", NULL);
    const cJSON *labels = json_at(template, "metadata", "labels", NULL);
    const cJSON *annotations = json_at(set->body, "metadata", "annotations", NULL);
    cJSON *object = json_object();
    cJSON *metadata = json_object_in(object, "metadata");
    json_set_text(metadata, "name", revision->name);
    json_set(metadata, "labels", labels ? json_copy(labels) : json_object());
    json_set_text(json_member(metadata, "labels"), LABEL_HASH, revision->hash);
    if (annotations)
        json_set(metadata, "annotations", json_copy(annotations));
    object_own(object, set);
    cJSON *patch = json_object_in(json_object_in(json_object_in(object, "data"), "spec"), "template");
    for (const cJSON *member = template ? template->child : NULL; member; member = member->next)
        json_set(patch, member->string, json_copy(member));
    json_set_text(patch, "$patch", "replace");
    json_set_i64(object, "revision", number);
    return object;
}

static int renumber(void *context, const cJSON *current, cJSON **ret, struct error *error)
{
    (void)error;
    *ret = json_copy(current);
    json_set_i64(*ret, "revision", *(const int64_t *)context);
    return 0;
}

static int by_number(const void *a, const void *b)
{
    int64_t one = number_of(*(const struct object *const *)a), other = number_of(*(const struct object *const *)b);
    return one < other ? -1 : one > other;
}

/* Those of the set, by number. */
static void select_own(struct local *local, const struct object *set, struct object_list *ret)
{
    AUTO_OBJECT_LIST struct object_list all = {0};
    objects_select(local->objects, KIND_CONTROLLERREVISION, set->namespace, NULL, &all);
    for (size_t i = 0; i < all.count; i++)
        if (object_controlled_by(all.items[i], set->uid))
            object_list_add(ret, all.items[i]);
    if (ret->count)
        qsort(ret->items, ret->count, sizeof(struct object *), by_number);
}

/* Whether a template is in use: the present one, or the one from which a change is under way. */
static bool is_live(const struct object *set, const struct revision *present, const struct object *revision)
{
    return strcmp(revision->name, present->name) == 0 ||
           strcmp(revision->name, json_text_or("", set->body, "status", "currentRevision", NULL)) == 0;
}

static int forget_oldest(struct local *local, const struct object *set, const struct revision *present,
                         const struct object_list *own, struct error *error)
{
    int64_t keep = HISTORY_DEFAULT, past = 0;
    (void)json_i64(json_at(set->body, "spec", "revisionHistoryLimit", NULL), &keep);
    keep = keep < 0 ? 0 : keep > HISTORY_MAX ? HISTORY_MAX : keep;
    for (size_t i = 0; i < own->count; i++)
        past += !is_live(set, present, own->items[i]);
    for (size_t i = 0; i < own->count && past > keep; i++) {
        const struct object *oldest = own->items[i];
        if (is_live(set, present, oldest))
            continue;
        int r = objects_delete(local->objects, KIND_CONTROLLERREVISION, oldest->namespace, oldest->name, oldest->uid,
                               NULL, error);
        if (r < 0 && r != -ERROR_NOT_FOUND)
            return r;
        past--;
    }
    return 0;
}

int revision_keep(struct local *local, const struct object *set, const struct revision *revision, struct error *error)
{
    AUTO_OBJECT_LIST struct object_list own = {0};
    const struct object *present = NULL;
    int r = 0;
    select_own(local, set, &own);
    for (size_t i = 0; i < own.count && !present; i++)
        present = strcmp(own.items[i]->name, revision->name) == 0 ? own.items[i] : NULL;
    int64_t last = own.count ? number_of(own.items[own.count - 1]) : 0, next = last + 1;
    if (!present)
        r = objects_create(local->objects, KIND_CONTROLLERREVISION, set->namespace, new_revision(set, revision, next),
                           NULL, error);
    else if (number_of(present) < last) /* an earlier template again */
        r = objects_change_seen(local->objects, present, ENGINE_SPEC, renumber, &next, NULL, error);
    return r < 0 ? r : forget_oldest(local, set, revision, &own, error);
}
