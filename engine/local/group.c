/* Which writes share a commit, and who makes it? */
#include "engine/local/group.h"

#include "base/metrics.h"

struct group {
    struct group_options options;
    pthread_mutex_t lock;   /* guards all of this */
    pthread_cond_t settled; /* a commit is over, or somebody who was alone has left */
    struct group_write *gathered, **gathered_end;
    struct group_write *running;
    size_t waiting;                  /* for `settled` */
    uint64_t alone_came, alone_left; /* how many entered, or wait to enter, alone, and how many have left */
    bool led;                        /* somebody commits, or was told to */
    bool alone;                      /* who holds the lock entered alone */
};

static struct metric commits_total =
    METRIC_COUNTER("atelier_engine_shared_commits_total", "Commits that kept one or several updates of objects.");

struct group *group_new(const struct group_options *options)
{
    struct group *group = memory_get(sizeof(*group));
    group->options = *options;
    group->gathered_end = &group->gathered;
    pthread_mutex_init(&group->lock, NULL);
    pthread_cond_init(&group->settled, NULL);
    return group;
}

void group_free(struct group *group)
{
    if (!group)
        return;
    pthread_mutex_destroy(&group->lock);
    pthread_cond_destroy(&group->settled);
    free(group);
}

/* --- who may enter ------------------------------------------------------------------------------------------------ */

static bool has(const struct group_write *writes, enum engine_kind kind, const char *namespace, const char *name)
{
    for (; writes; writes = writes->next)
        if (writes->current->kind == kind && strcmp(writes->current->name, name) == 0 &&
            strcmp(writes->current->namespace, namespace) == 0)
            return true;
    return false;
}

static void wait_settled(struct group *group)
{
    group->waiting++;
    pthread_cond_wait(&group->settled, &group->lock);
    group->waiting--;
}

static void tell_settled(struct group *group)
{
    if (group->waiting > 0)
        pthread_cond_broadcast(&group->settled);
}

void group_enter(struct group *group, enum engine_kind kind, const char *namespace, const char *name)
{
    const char *space = engine_kinds[kind].namespaced && namespace ? namespace : "";
    pthread_mutex_lock(&group->lock);
    /* Behind those who wanted to be alone before, and before those who come later: neither starves. */
    uint64_t before = group->alone_came;
    while (group->alone_left < before || has(group->gathered, kind, space, name) ||
           has(group->running, kind, space, name))
        wait_settled(group);
}

void group_enter_alone(struct group *group)
{
    pthread_mutex_lock(&group->lock);
    group->alone_came++;
    while (group->led)
        wait_settled(group);
    group->alone = true;
}

void group_leave(struct group *group)
{
    if (group->alone) {
        group->alone = false;
        group->alone_left++;
        tell_settled(group);
    }
    pthread_mutex_unlock(&group->lock);
}

/* --- the commit --------------------------------------------------------------------------------------------------- */

/* Takes what has gathered, at most GROUP_MAX. */
static struct group_write *take_gathered(struct group *group)
{
    struct group_write *first = group->gathered, *last = first;
    for (size_t count = 1; count < GROUP_MAX && last->next; count++)
        last = last->next;
    group->gathered = last->next;
    last->next = NULL;
    if (!group->gathered)
        group->gathered_end = &group->gathered;
    return first;
}

static void refuse(struct group_write *writes, int r, const struct error *error)
{
    for (struct group_write *write = writes; write; write = write->next) {
        write->result = r;
        write->error = *error;
    }
}

static void answer(struct group *group)
{
    struct group_write *write = group->running;
    group->running = NULL;
    while (write) {
        struct group_write *next = write->next; /* who has been told may be gone */
        bool led = write->state == GROUP_LEADS;
        write->state = GROUP_DONE;
        if (!led)
            pthread_cond_signal(&write->told);
        write = next;
    }
}

static void lead(struct group *group)
{
    struct error error = {0};
    group->running = take_gathered(group);
    int r = group->options.begin(group->options.context, &error);
    if (r < 0) {
        refuse(group->running, r, &error);
    } else {
        pthread_mutex_unlock(&group->lock);
        group->options.run(group->options.context, group->running);
        pthread_mutex_lock(&group->lock);
        metric_add(&commits_total, 1);
        for (struct group_write *write = group->running; write; write = write->next)
            group->options.finish(group->options.context, write);
    }
    answer(group);
    group->led = group->gathered != NULL;
    if (group->led) {
        group->gathered->state = GROUP_LEADS;
        pthread_cond_signal(&group->gathered->told);
    }
    tell_settled(group);
}

void group_commit(struct group *group, struct group_write *write)
{
    write->next = NULL;
    write->state = group->led ? GROUP_WAITS : GROUP_LEADS;
    group->led = true;
    pthread_cond_init(&write->told, NULL);
    *group->gathered_end = write;
    group->gathered_end = &write->next;
    while (write->state == GROUP_WAITS)
        pthread_cond_wait(&write->told, &group->lock);
    if (write->state == GROUP_LEADS)
        lead(group);
    pthread_cond_destroy(&write->told);
}
