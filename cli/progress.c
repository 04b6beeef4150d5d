/* How far is it, and how long will it still take? */
#include "cli/progress.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/output.h"
#include "cli/table.h"
#include "cli/terminal.h"

#define SHOW_EVERY_MS 200
#define RATE_AFTER_MS 1000 /* a rate measured over less is a guess */
#define WAITS_BYTES_MAX ((size_t)65536)
#define WEIGHT 3 /* the newest wait counts a third */

/* --- lines -------------------------------------------------------------------------------------------------------- */

static void add_left(int64_t left_ms, struct buffer *ret)
{
    char left[32];
    table_age((left_ms + 999) / 1000, left, sizeof(left));
    buffer_add_format(ret, ", %s left", left);
}

void progress_bytes_line(const char *what, int64_t done, int64_t total, int64_t elapsed_ms, struct buffer *ret)
{
    char moved[32], whole[32], rate[32];
    table_bytes(done, moved, sizeof(moved));
    buffer_add_format(ret, "%s: %s", what, moved);
    if (total > 0) {
        table_bytes(total, whole, sizeof(whole));
        buffer_add_format(ret, " of %s", whole);
    }
    if (elapsed_ms < RATE_AFTER_MS || done <= 0)
        return;
    table_bytes(done * 1000 / elapsed_ms, rate, sizeof(rate));
    buffer_add_format(ret, ", %s/s", rate);
    if (total > done)
        add_left((int64_t)((double)(total - done) * (double)elapsed_ms / (double)done), ret);
}

void progress_wait_line(const char *what, const char *state, int64_t elapsed_ms, int64_t usual_ms, struct buffer *ret)
{
    char elapsed[32];
    table_age(elapsed_ms / 1000, elapsed, sizeof(elapsed));
    buffer_add_format(ret, "%s %s (%s", what, state, elapsed);
    if (usual_ms > elapsed_ms)
        add_left(usual_ms - elapsed_ms, ret);
    else if (usual_ms > 0)
        buffer_add_text(ret, ", longer than usual");
    buffer_add_text(ret, ")");
}

/* --- on the terminal ---------------------------------------------------------------------------------------------- */

void progress_begin(struct progress *progress, const char *what, int64_t total)
{
    *progress = (struct progress){.what = what, .total = total, .begun_ms = clock_monotonic_ms()};
    progress->live = terminal_is(STDERR_FILENO) && !say_is_quiet();
}

static bool is_due(struct progress *progress)
{
    int64_t now_ms = clock_monotonic_ms();
    if (!progress->live || now_ms - progress->shown_ms < SHOW_EVERY_MS)
        return false;
    progress->shown_ms = now_ms;
    return true;
}

static void show(const struct buffer *line)
{
    char printable[512];
    text_printable(buffer_slice(line), printable, sizeof(printable));
    fprintf(stderr, "\r\033[K%s", printable);
    fflush(stderr);
}

void progress_bytes(struct progress *progress, int64_t done)
{
    AUTO_BUFFER struct buffer line = {0};
    if (!is_due(progress))
        return;
    progress_bytes_line(progress->what, done, progress->total, progress->shown_ms - progress->begun_ms, &line);
    show(&line);
}

void progress_wait(struct progress *progress, const char *state, int64_t usual_ms)
{
    AUTO_BUFFER struct buffer line = {0};
    if (!is_due(progress))
        return;
    progress_wait_line(progress->what, state, progress->shown_ms - progress->begun_ms, usual_ms, &line);
    show(&line);
}

void progress_end(struct progress *progress)
{
    if (progress->live && progress->shown_ms)
        fputs("\r\033[K", stderr);
    progress->shown_ms = 0;
}

/* --- what is usual ------------------------------------------------------------------------------------------------ */

static char *waits_path(void)
{
    const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (base && base[0] == '/')
        return memory_format("%s/atelier/waits.json", base);
    return home && home[0] == '/' ? memory_format("%s/.cache/atelier/waits.json", home) : NULL;
}

static cJSON *read_waits(const char *path)
{
    AUTO_BUFFER struct buffer text = {0};
    cJSON *waits = NULL;
    if (path && file_read(path, WAITS_BYTES_MAX, &text, NULL) == 0)
        json_parse(buffer_slice(&text), &json_limits_default, &waits, NULL);
    if (cJSON_IsObject(waits))
        return waits;
    cJSON_Delete(waits);
    return json_object();
}

int64_t progress_usual_ms(const char *kind)
{
    AUTO_FREE char *path = waits_path();
    AUTO_JSON cJSON *waits = read_waits(path);
    int64_t usual_ms = 0;
    return json_i64(json_member(waits, kind), &usual_ms) && usual_ms > 0 ? usual_ms : 0;
}

void progress_learn(const char *kind, int64_t took_ms)
{
    AUTO_FREE char *path = waits_path();
    if (!path)
        return;
    AUTO_JSON cJSON *waits = read_waits(path);
    AUTO_FREE char *directory = memory_text_n(path, (size_t)(strrchr(path, '/') - path));
    int64_t usual_ms = 0;
    if (json_i64(json_member(waits, kind), &usual_ms) && usual_ms > 0)
        took_ms = usual_ms + (took_ms - usual_ms) / WEIGHT;
    json_set_i64(waits, kind, took_ms);
    AUTO_FREE char *text = json_print(waits);
    if (file_make_directories(directory, 0700, NULL) == 0)
        file_write(path, slice_of(text), 0600, NULL);
}
