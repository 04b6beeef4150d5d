/* Which blocking job runs next, so that no tenant takes all the threads? */
#include "gateway/crew.h"

#include <pthread.h>

#include "base/memory.h"

enum { CREW_THREADS_MAX = 64, STACK_BYTES = 1024 * 1024 };

struct crew {
    pthread_mutex_t lock; /* guards everything below but <threads> */
    pthread_cond_t work;
    struct crew_job *head, **tail;
    size_t waiting, waiting_max;
    unsigned share;
    bool stopping;
    uint64_t running[CREW_THREADS_MAX]; /* the tenant each thread works for */
    char name[12];
    unsigned thread_count, next_number;
    pthread_t threads[CREW_THREADS_MAX];
};

static bool may_run(const struct crew *crew, const struct crew_job *job)
{
    if (job->tenant == 0)
        return true;
    unsigned running = 0;
    for (unsigned i = 0; i < crew->thread_count; i++)
        running += crew->running[i] == job->tenant;
    return running < crew->share;
}

static struct crew_job *unlink_at(struct crew *crew, struct crew_job **at)
{
    struct crew_job *job = *at;
    *at = job->next;
    if (crew->tail == &job->next)
        crew->tail = at;
    crew->waiting--;
    job->next = NULL;
    return job;
}

static struct crew_job *take_next(struct crew *crew)
{
    for (struct crew_job **at = &crew->head; *at; at = &(*at)->next)
        if (may_run(crew, *at))
            return unlink_at(crew, at);
    return NULL;
}

static void *crew_main(void *context)
{
    struct crew *crew = context;
    pthread_mutex_lock(&crew->lock);
    unsigned number = crew->next_number++;
    char name[16];
    snprintf(name, sizeof(name), "%s-%u", crew->name, number);
    pthread_setname_np(pthread_self(), name);
    for (;;) {
        struct crew_job *job = take_next(crew);
        if (job) {
            crew->running[number] = job->tenant;
            pthread_mutex_unlock(&crew->lock);
            job->run(job);
            pthread_mutex_lock(&crew->lock);
            crew->running[number] = 0;
            continue; /* to look itself for a job that has waited for exactly this */
        }
        if (crew->stopping && crew->waiting == 0)
            break;
        pthread_cond_wait(&crew->work, &crew->lock);
    }
    pthread_cond_broadcast(&crew->work);
    pthread_mutex_unlock(&crew->lock);
    return NULL;
}

int crew_new(const char *name, unsigned threads, size_t waiting, unsigned share, struct crew **ret, struct error *error)
{
    struct crew *crew = memory_get(sizeof(*crew));
    pthread_mutex_init(&crew->lock, NULL);
    pthread_cond_init(&crew->work, NULL);
    crew->tail = &crew->head;
    crew->waiting_max = waiting;
    crew->share = share > 0 ? share : 1;
    snprintf(crew->name, sizeof(crew->name), "%s", name);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    int failed = 0;
    pthread_mutex_lock(&crew->lock);
    while (!failed && crew->thread_count < threads && crew->thread_count < CREW_THREADS_MAX) {
        failed = pthread_create(&crew->threads[crew->thread_count], &attributes, crew_main, crew);
        crew->thread_count += !failed;
    }
    pthread_mutex_unlock(&crew->lock);
    pthread_attr_destroy(&attributes);
    if (failed) {
        crew_stop(crew);
        crew_free(crew);
        return error_set(error, ERROR_INTERNAL, NULL, "cannot start a thread: %s", strerror(failed));
    }
    *ret = crew;
    return 0;
}

bool crew_add(struct crew *crew, struct crew_job *job)
{
    pthread_mutex_lock(&crew->lock);
    bool accepted = !crew->stopping && crew->waiting < crew->waiting_max;
    bool wake = accepted && may_run(crew, job); /* if not, who ends its tenant's share looks next */
    if (accepted) {
        job->next = NULL;
        *crew->tail = job;
        crew->tail = &job->next;
        crew->waiting++;
    }
    pthread_mutex_unlock(&crew->lock);
    if (wake) /* after the lock, which it would only have to wait for */
        pthread_cond_signal(&crew->work);
    return accepted;
}

bool crew_cancel(struct crew *crew, struct crew_job *job)
{
    bool found = false;
    pthread_mutex_lock(&crew->lock);
    for (struct crew_job **at = &crew->head; *at && !found; at = &(*at)->next) {
        found = *at == job;
        if (found) {
            unlink_at(crew, at);
            break;
        }
    }
    pthread_mutex_unlock(&crew->lock);
    return found;
}

void crew_stop(struct crew *crew)
{
    pthread_mutex_lock(&crew->lock);
    crew->stopping = true;
    pthread_cond_broadcast(&crew->work);
    pthread_mutex_unlock(&crew->lock);
    for (unsigned i = 0; i < crew->thread_count; i++)
        pthread_join(crew->threads[i], NULL);
    crew->thread_count = 0;
}

void crew_free(struct crew *crew)
{
    if (!crew)
        return;
    pthread_cond_destroy(&crew->work);
    pthread_mutex_destroy(&crew->lock);
    free(crew);
}
