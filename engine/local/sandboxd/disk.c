/* How full is the filesystem of the data directory, and what does each pod keep there? */
#include "engine/local/sandboxd/disk.h"

#include <errno.h>
#include <sys/statvfs.h>

#include "base/file.h"
#include "engine/local/sandboxd/volume.h"

/* "Dirty:              1234 kB" */
static int64_t meminfo_bytes(struct slice text, const char *key)
{
    while (text.n) {
        struct slice line = slice_split(text, '\n', &text), value = {0}, unit = {0};
        int64_t kib;
        if (!slice_is(slice_split(line, ':', &value), key))
            continue;
        struct slice number = slice_split(slice_trim(value), ' ', &unit);
        return text_parse_i64(number, 0, INT64_MAX / 1024, &kib) ? kib * 1024 : 0;
    }
    return 0;
}

static int64_t pending_bytes(void)
{
    AUTO_BUFFER struct buffer text = {0};
    if (file_read("/proc/meminfo", 65536, &text, NULL) < 0)
        return 0;
    return meminfo_bytes(buffer_slice(&text), "Dirty") + meminfo_bytes(buffer_slice(&text), "Writeback");
}

static int64_t pod_bytes(const struct box_daemon *daemon, const struct box_pod *pod)
{
    int64_t bytes = box_scratch_used(&daemon->paths, pod->sandbox->name, pod->name);
    const cJSON *volume;
    cJSON_ArrayForEach(volume, json_member(pod->spec, "volumes"))
    {
        if (!strcmp(json_text_or("", volume, "type", NULL), "named"))
            bytes += box_volume_used(&daemon->paths, pod->sandbox->name, json_text(volume, "volume", NULL));
    }
    return bytes;
}

int box_disk(struct box_daemon *daemon, cJSON *answer, struct error *error)
{
    struct statvfs disk;
    size_t count = 0;
    int64_t all = 0;
    if (statvfs(daemon->paths.data, &disk) < 0)
        return error_set(error, ERROR_INTERNAL, NULL, "%s: %s", daemon->paths.data, strerrordesc_np(errno));
    json_set_i64(answer, "total_bytes", (int64_t)(disk.f_blocks * disk.f_frsize));
    json_set_i64(answer, "free_bytes", (int64_t)(disk.f_bavail * disk.f_frsize));
    cJSON *list = json_set(answer, "pods", json_array());
    struct box_pod **pods = box_volume_enforced() ? box_pods(daemon, NULL, &count) : NULL;
    for (size_t i = 0; i < count; i++) {
        cJSON *entry = json_push(list, json_object());
        json_set_text(entry, "sandbox", pods[i]->sandbox->name);
        json_set_text(entry, "pod", pods[i]->name);
        int64_t bytes = pod_bytes(daemon, pods[i]);
        json_set_i64(entry, "bytes", bytes);
        all += bytes;
        box_pod_put(daemon, pods[i]);
    }
    free(pods);
    int64_t pending = pending_bytes();
    json_set_i64(answer, "pending_bytes", pending < all ? pending : all);
    return 0;
}
