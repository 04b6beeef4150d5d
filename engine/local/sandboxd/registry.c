/* Which sandboxes and pods are there, and who still uses one? */
#include "engine/local/sandboxd/daemon.h"

#include "engine/local/sandboxd/address.h"
#include "engine/local/sandboxd/limits.h"

struct box_sandbox *box_sandbox_new(const char *name, int64_t index, uint32_t uid)
{
    struct box_sandbox *sandbox = memory_get(sizeof(*sandbox));
    sandbox->name = memory_text(name);
    sandbox->index = index;
    sandbox->uid = uid;
    sandbox->references = 1;
    sandbox->netns = -1;
    pthread_mutex_init(&sandbox->lock, NULL);
    pthread_mutex_init(&sandbox->volume_lock, NULL);
    pthread_mutex_init(&sandbox->hosts_lock, NULL);
    return sandbox;
}

static void sandbox_free(struct box_sandbox *sandbox)
{
    if (sandbox->netns >= 0)
        close(sandbox->netns);
    free(sandbox->way.loaded);
    pthread_mutex_destroy(&sandbox->lock);
    pthread_mutex_destroy(&sandbox->volume_lock);
    pthread_mutex_destroy(&sandbox->hosts_lock);
    cJSON_Delete(sandbox->hosts);
    free(sandbox->name);
    free(sandbox);
}

/* With daemon->lock held. */
static void drop_sandbox(struct box_sandbox *sandbox)
{
    if (--sandbox->references == 0)
        sandbox_free(sandbox);
}

static void pod_free(struct box_pod *pod)
{
    pthread_mutex_destroy(&pod->lock);
    box_state_free(&pod->state);
    cJSON_Delete(pod->spec);
    cJSON_Delete(pod->record);
    free(pod->name);
    free(pod->key);
    free(pod);
}

static void drop_pod(struct box_pod *pod)
{
    if (--pod->references)
        return;
    drop_sandbox(pod->sandbox);
    pod_free(pod);
}

struct box_sandbox *box_sandbox_find(struct box_daemon *daemon, const char *name)
{
    pthread_mutex_lock(&daemon->lock);
    struct box_sandbox *found = map_get(daemon->sandboxes, slice_of(name));
    if (found)
        found->references++;
    pthread_mutex_unlock(&daemon->lock);
    return found;
}

void box_sandbox_put(struct box_daemon *daemon, struct box_sandbox *sandbox)
{
    if (!sandbox)
        return;
    pthread_mutex_lock(&daemon->lock);
    drop_sandbox(sandbox);
    pthread_mutex_unlock(&daemon->lock);
}

struct box_pod *box_pod_find(struct box_daemon *daemon, const char *sandbox, const char *pod)
{
    AUTO_FREE char *key = memory_format("%s/%s", sandbox, pod);
    pthread_mutex_lock(&daemon->lock);
    struct box_pod *found = map_get(daemon->pods, slice_of(key));
    if (found)
        found->references++;
    pthread_mutex_unlock(&daemon->lock);
    return found;
}

struct box_pod *box_pod_find_address(struct box_daemon *daemon, const char *sandbox, uint32_t address)
{
    struct box_pod *found = NULL;
    struct slice key;
    void *value;
    size_t at = 0;
    pthread_mutex_lock(&daemon->lock);
    while (!found && map_next(daemon->pods, &at, &key, &value)) {
        struct box_pod *pod = value;
        if (pod->address == address && !strcmp(pod->sandbox->name, sandbox))
            found = pod;
    }
    if (found)
        found->references++;
    pthread_mutex_unlock(&daemon->lock);
    return found;
}

void box_pod_put(struct box_daemon *daemon, struct box_pod *pod)
{
    if (!pod)
        return;
    pthread_mutex_lock(&daemon->lock);
    drop_pod(pod);
    pthread_mutex_unlock(&daemon->lock);
}

struct box_sandbox **box_sandboxes(struct box_daemon *daemon, size_t *ret_count)
{
    struct slice key;
    void *value;
    size_t at = 0, count = 0;
    pthread_mutex_lock(&daemon->lock);
    struct box_sandbox **list = memory_get((map_count(daemon->sandboxes) + 1) * sizeof(*list));
    while (map_next(daemon->sandboxes, &at, &key, &value)) {
        list[count] = value;
        list[count++]->references++;
    }
    pthread_mutex_unlock(&daemon->lock);
    *ret_count = count;
    return list;
}

struct box_pod **box_pods(struct box_daemon *daemon, const char *sandbox, size_t *ret_count)
{
    struct slice key;
    void *value;
    size_t at = 0, count = 0;
    pthread_mutex_lock(&daemon->lock);
    struct box_pod **list = memory_get((map_count(daemon->pods) + 1) * sizeof(*list));
    while (map_next(daemon->pods, &at, &key, &value)) {
        struct box_pod *pod = value;
        if (sandbox && strcmp(pod->sandbox->name, sandbox))
            continue;
        pod->references++;
        list[count++] = pod;
    }
    pthread_mutex_unlock(&daemon->lock);
    *ret_count = count;
    return list;
}

void box_sandbox_enter(struct box_daemon *daemon, struct box_sandbox *sandbox)
{
    pthread_mutex_lock(&daemon->lock);
    sandbox->references++;
    map_put(daemon->sandboxes, slice_of(sandbox->name), sandbox);
    pthread_mutex_unlock(&daemon->lock);
}

void box_sandbox_forget(struct box_daemon *daemon, struct box_sandbox *sandbox)
{
    pthread_mutex_lock(&daemon->lock);
    if (map_get(daemon->sandboxes, slice_of(sandbox->name)) == sandbox) {
        map_remove(daemon->sandboxes, slice_of(sandbox->name));
        drop_sandbox(sandbox);
    }
    pthread_mutex_unlock(&daemon->lock);
}

void box_pod_forget(struct box_daemon *daemon, struct box_pod *pod)
{
    pthread_mutex_lock(&daemon->lock);
    bool entered = map_get(daemon->pods, slice_of(pod->key)) == pod;
    bool shown = entered && pod->record;
    if (entered)
        map_remove(daemon->pods, slice_of(pod->key));
    pthread_mutex_unlock(&daemon->lock);
    if (shown && daemon->changed)
        daemon->changed(daemon->changed_context, pod->sandbox->name, pod->name);
    if (entered)
        box_pod_put(daemon, pod); /* the map's reference */
}

struct address_search {
    struct box_daemon *daemon;
    const struct box_sandbox *sandbox;
    size_t pods;
};

static bool address_taken(void *context, uint32_t address)
{
    const struct address_search *search = context;
    struct slice key;
    void *value;
    size_t at = 0;
    while (map_next(search->daemon->pods, &at, &key, &value)) {
        const struct box_pod *pod = value;
        if (pod->sandbox == search->sandbox && pod->address == address)
            return true;
    }
    return false;
}

static size_t count_pods(struct box_daemon *daemon, const struct box_sandbox *sandbox)
{
    struct slice key;
    void *value;
    size_t at = 0, count = 0;
    while (map_next(daemon->pods, &at, &key, &value))
        count += ((const struct box_pod *)value)->sandbox == sandbox;
    return count;
}

/* With daemon->lock held. */
static int choose_address(struct box_daemon *daemon, struct box_sandbox *sandbox, uint32_t *address,
                          struct error *error)
{
    struct address_search search = {.daemon = daemon, .sandbox = sandbox};
    if (count_pods(daemon, sandbox) >= BOX_PODS_PER_SANDBOX_MAX)
        return error_set(error, ERROR_LIMITED, NULL, "a sandbox holds at most %d pods", BOX_PODS_PER_SANDBOX_MAX);
    if (*address)
        return address_taken(&search, *address)
                   ? error_set(error, ERROR_CONFLICT, "address", "another pod of the sandbox has that address")
                   : 0;
    *address = box_address_next(sandbox->last_address, address_taken, &search);
    if (!*address)
        return error_set(error, ERROR_LIMITED, "address", "the sandbox has no address left");
    sandbox->last_address = *address;
    return 0;
}

static struct box_pod *pod_new(const char *name, const cJSON *spec, char *key)
{
    struct box_pod *pod = memory_get(sizeof(*pod));
    pod->name = memory_text(name);
    pod->key = key;
    pod->references = 2; /* the map's and the caller's */
    pod->spec = json_copy(spec);
    pthread_mutex_init(&pod->lock, NULL);
    pthread_mutex_lock(&pod->lock); /* before anybody can know it */
    return pod;
}

int box_pod_enter(struct box_daemon *daemon, struct box_sandbox *sandbox, const char *name, const cJSON *spec,
                  uint32_t address, struct box_pod **ret, struct error *error)
{
    struct box_pod *pod = pod_new(name, spec, memory_format("%s/%s", sandbox->name, name));
    char text[BOX_ADDRESS_TEXT_SIZE];
    pthread_mutex_lock(&daemon->lock);
    int failed = map_get(daemon->pods, slice_of(pod->key))
                     ? error_set(error, ERROR_EXISTS, "pod", "pod \"%s\" exists already", name)
                     : choose_address(daemon, sandbox, &address, error);
    if (!failed) {
        pod->sandbox = sandbox;
        sandbox->references++;
        pod->address = address;
        box_address_format(address, text);
        box_state_init(&pod->state, spec, text);
        map_put(daemon->pods, slice_of(pod->key), pod);
    }
    pthread_mutex_unlock(&daemon->lock);
    if (failed) {
        pthread_mutex_unlock(&pod->lock);
        pod_free(pod);
        return failed;
    }
    *ret = pod;
    return 0;
}

void box_pod_publish(struct box_daemon *daemon, struct box_pod *pod)
{
    cJSON *record = box_state_record(&pod->state, pod->sandbox->name, pod->name);
    pthread_mutex_lock(&daemon->lock);
    bool differs = !pod->record || !json_equal(pod->record, record);
    cJSON_Delete(pod->record);
    pod->record = record;
    pthread_mutex_unlock(&daemon->lock);
    if (differs && daemon->changed)
        daemon->changed(daemon->changed_context, pod->sandbox->name, pod->name);
}

cJSON *box_records(struct box_daemon *daemon, const char *sandbox)
{
    cJSON *records = json_array();
    struct slice key;
    void *value;
    size_t at = 0;
    pthread_mutex_lock(&daemon->lock);
    while (map_next(daemon->pods, &at, &key, &value)) {
        const struct box_pod *pod = value;
        if (pod->record && (!sandbox || !strcmp(pod->sandbox->name, sandbox)))
            json_push(records, json_copy(pod->record));
    }
    pthread_mutex_unlock(&daemon->lock);
    return records;
}

cJSON *box_pod_record(struct box_daemon *daemon, struct box_pod *pod)
{
    pthread_mutex_lock(&daemon->lock);
    cJSON *record = pod->record ? json_copy(pod->record) : NULL;
    pthread_mutex_unlock(&daemon->lock);
    return record;
}
