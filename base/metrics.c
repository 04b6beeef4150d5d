/* What has happened so far, in Prometheus text format 0.0.4? */
#include "base/metrics.h"

#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"

/* Guards the list below and `next`; values are atomics and need no lock. */
static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct metric *registry;

static void ensure_registered(struct metric *metric)
{
    if (atomic_load_explicit(&metric->registered, memory_order_acquire))
        return;
    pthread_mutex_lock(&registry_lock);
    if (!atomic_load_explicit(&metric->registered, memory_order_relaxed)) {
        metric->next = registry;
        registry = metric;
        atomic_store_explicit(&metric->registered, true, memory_order_release);
    }
    pthread_mutex_unlock(&registry_lock);
}

void metric_add(struct metric *metric, int64_t amount)
{
    ensure_registered(metric);
    atomic_fetch_add_explicit(&metric->value, amount, memory_order_relaxed);
}

void metric_set(struct metric *metric, int64_t value)
{
    ensure_registered(metric);
    atomic_store_explicit(&metric->value, value, memory_order_relaxed);
}

void metric_drop(struct metric *metric)
{
    pthread_mutex_lock(&registry_lock);
    for (struct metric **at = &registry; *at; at = &(*at)->next) {
        if (*at == metric) {
            *at = metric->next;
            break;
        }
    }
    atomic_store_explicit(&metric->registered, false, memory_order_release);
    pthread_mutex_unlock(&registry_lock);
}

static void print_header(struct buffer *ret, const char *name, const char *help, bool gauge)
{
    buffer_add_format(ret, "# HELP %s ", name);
    for (const char *at = help ? help : ""; *at; at++) {
        if (*at == '\\' || *at == '\n')
            buffer_add_text(ret, *at == '\n' ? "\\n" : "\\\\");
        else
            buffer_add(ret, at, 1);
    }
    buffer_add_format(ret, "\n# TYPE %s %s\n", name, gauge ? "gauge" : "counter");
}

static int by_name_and_labels(const void *a, const void *b)
{
    const struct metric *left = *(const struct metric *const *)a, *right = *(const struct metric *const *)b;
    int order = strcmp(left->name, right->name);
    return order ? order : strcmp(left->labels, right->labels);
}

/* All samples of one name stand together under one header: the format demands it. */
static void print_registry(struct buffer *ret)
{
    size_t count = 0, n = 0;
    for (struct metric *at = registry; at; at = at->next)
        count++;
    if (!count)
        return;
    struct metric **sorted = memory_get(count * sizeof(struct metric *));
    for (struct metric *at = registry; at; at = at->next)
        sorted[n++] = at;
    qsort(sorted, count, sizeof(struct metric *), by_name_and_labels);
    for (n = 0; n < count; n++) {
        struct metric *metric = sorted[n];
        if (n == 0 || strcmp(sorted[n - 1]->name, metric->name) != 0)
            print_header(ret, metric->name, metric->help, metric->gauge);
        buffer_add_text(ret, metric->name);
        if (metric->labels && metric->labels[0])
            buffer_add_format(ret, "{%s}", metric->labels);
        buffer_add_format(ret, " %" PRId64 "\n", atomic_load_explicit(&metric->value, memory_order_relaxed));
    }
    free(sorted);
}

static void print_process_value(struct buffer *ret, const char *name, const char *help, bool gauge, double value)
{
    print_header(ret, name, help, gauge);
    buffer_add_format(ret, "%s %.15g\n", name, value);
}

static int64_t count_open_files(void)
{
    DIR *directory = opendir("/proc/self/fd");
    if (!directory)
        return -1;
    int64_t count = -3; /* ".", ".." and the descriptor that reads the directory */
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

static void print_process_memory(struct buffer *ret)
{
    struct memory_size size = {0};
    if (!memory_measure(&size))
        return;
    print_process_value(ret, "process_virtual_memory_bytes", "Virtual memory size in bytes.", true,
                        (double)size.virtual_bytes);
    print_process_value(ret, "process_resident_memory_bytes", "Resident memory size in bytes.", true,
                        (double)size.resident_bytes);
}

/* The names that every Prometheus client library uses. */
static void print_process(struct buffer *ret)
{
    struct timespec cpu = {0}, up = {0}, wall = {0};
    struct rlimit files;
    uint64_t start_ticks;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    clock_gettime(CLOCK_BOOTTIME, &up);
    clock_gettime(CLOCK_REALTIME, &wall);
    print_process_value(ret, "process_cpu_seconds_total", "Total user and system CPU time spent in seconds.", false,
                        (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9);
    print_process_memory(ret);
    int64_t open_files = count_open_files();
    if (open_files >= 0)
        print_process_value(ret, "process_open_fds", "Number of open file descriptors.", true, (double)open_files);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        print_process_value(ret, "process_max_fds", "Maximum number of open file descriptors.", true,
                            (double)files.rlim_cur);
    if (process_start_time(getpid(), &start_ticks))
        print_process_value(ret, "process_start_time_seconds", "Start time of the process since unix epoch in seconds.",
                            true,
                            (double)(wall.tv_sec - up.tv_sec) + (double)start_ticks / (double)sysconf(_SC_CLK_TCK));
}

void metrics_print(struct buffer *ret)
{
    pthread_mutex_lock(&registry_lock);
    print_registry(ret);
    pthread_mutex_unlock(&registry_lock);
    print_process(ret);
}
