/* What runs now for one data directory, since when, and how much memory does it hold? */
#include "supervisor/services.h"

#include <dirent.h>
#include <errno.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

#define SMAPS_BYTES_MAX 65536
#define KIB 1024

/* "Pss:   1234 kB" in smaps_rollup: shared pages counted in proportion. -1 if it cannot be read. */
static int64_t memory_of(pid_t pid)
{
    AUTO_FREE char *path = memory_format("/proc/%d/smaps_rollup", (int)pid);
    AUTO_BUFFER struct buffer text = {0};
    int64_t kib;
    if (file_read(path, SMAPS_BYTES_MAX, &text, NULL) < 0)
        return -1;
    for (struct slice rest = buffer_slice(&text); rest.n;) {
        struct slice line = slice_split(rest, '\n', &rest);
        if (!slice_starts(line, "Pss:"))
            continue;
        line = slice_trim(slice_skip(line, 4));
        return text_parse_i64(slice_split(line, ' ', &line), 0, INT64_MAX / KIB, &kib) ? kib * KIB : -1;
    }
    return -1;
}

static int64_t memory_of_children(pid_t pid)
{
    AUTO_FREE char *path = memory_format("/proc/%d/task/%d/children", (int)pid, (int)pid);
    AUTO_BUFFER struct buffer text = {0};
    int64_t sum = 0, child;
    if (file_read(path, SMAPS_BYTES_MAX, &text, NULL) < 0)
        return 0;
    for (struct slice rest = buffer_slice(&text); rest.n;) {
        struct slice number = slice_split(rest, ' ', &rest);
        int64_t memory = text_parse_i64(number, 1, INT32_MAX, &child) ? memory_of((pid_t)child) : 0;
        sum += memory > 0 ? memory : 0;
    }
    return sum;
}

static int64_t uptime_of(uint64_t start_time)
{
    AUTO_BUFFER struct buffer text = {0};
    int64_t seconds;
    if (file_read("/proc/uptime", 128, &text, NULL) < 0)
        return 0;
    struct slice rest;
    struct slice whole = slice_split(buffer_slice(&text), '.', &rest);
    if (!text_parse_i64(whole, 0, INT64_MAX, &seconds))
        return 0;
    int64_t age = seconds - (int64_t)start_time / sysconf(_SC_CLK_TCK);
    return age > 0 ? age : 0;
}

static void fill(struct supervisor_status *status, pid_t pid, uint64_t start_time)
{
    status->pid = pid;
    status->uptime_s = uptime_of(start_time);
    status->memory_bytes = memory_of(pid);
    status->state = "running";
}

void supervisor_status(const struct layout *layout, struct supervisor_status ret[SUPERVISOR_PROCESS_COUNT])
{
    pid_t pid;
    uint64_t start_time;
    ret[SUPERVISOR_SELF] = (struct supervisor_status){.name = "supervisor", .memory_bytes = -1, .state = "stopped"};
    if (lock_holder(layout, &pid, &start_time))
        fill(&ret[SUPERVISOR_SELF], pid, start_time);
    for (int i = 0; i < SERVICE_COUNT; i++) {
        struct supervisor_status *status = &ret[SUPERVISOR_POSTGRES + i];
        struct child child;
        *status = (struct supervisor_status){.name = service_infos[i].name, .memory_bytes = -1, .state = "stopped"};
        if (!service_find(layout, (enum service_id)i, &child, NULL))
            continue;
        fill(status, child.pid, child.start_time);
        if (i == SERVICE_POSTGRES && status->memory_bytes >= 0)
            status->memory_bytes += memory_of_children(child.pid);
        if (i == SERVICE_POSTGRES && !database_is_ready(layout))
            status->state = "starting";
        child_release(&child);
    }
}
