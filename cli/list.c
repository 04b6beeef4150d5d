/* How is a list shown that no server watches for us, and what has changed in it found? */
#include "base/clock.h"
#include "base/json_mend.h"
#include "base/map.h"
#include "cli/client.h"
#include "cli/output.h"

#define LOOK_AGAIN_MS 2000

static void add_name(const cJSON *item, const char *member, struct buffer *ret)
{
    char text[24] = "", printable[TABLE_CELL_MAX];
    int64_t number;
    if (json_i64(json_member(item, member), &number))
        snprintf(text, sizeof(text), "%lld", (long long)number);
    text_printable(slice_of(text[0] ? text : json_text_or("", item, member, NULL)), printable, sizeof(printable));
    buffer_add_format(ret, "%s\n", printable);
}

static int print_names(const cJSON *items, const struct listing *listing, struct error *error)
{
    AUTO_BUFFER struct buffer text = {0};
    const cJSON *item;
    cJSON_ArrayForEach(item, items) add_name(item, listing->name, &text);
    return print_text(text.p, error);
}

static int print_table(struct table *table, const cJSON *items, const struct listing *listing, bool header,
                       struct error *error)
{
    AUTO_BUFFER struct buffer text = {0};
    const cJSON *item;
    cJSON_ArrayForEach(item, items) listing->row(item, table);
    table_print(table, header, &text);
    return print_text(text.p, error);
}

static const cJSON *items_of(const cJSON *document, const struct listing *listing)
{
    return listing->bare ? document : json_member(document, "items");
}

int print_items(const struct call *call, const cJSON *document, const struct listing *listing, struct error *error)
{
    enum output output;
    int failed = output_of(call, &output, error);
    if (failed)
        return failed;
    const cJSON *items = items_of(document, listing);
    if (output == OUTPUT_NAME)
        return print_names(items, listing, error);
    if (!output_is_table(output))
        return print_tree(call, output, document, error);
    if (!items || !items->child) {
        say("none");
        return 0;
    }
    struct table *table = output_table(output, listing->headers);
    failed = print_table(table, items, listing, true, error);
    table_free(table);
    return failed;
}

/* --- watching ----------------------------------------------------------------------------------------------------- */

struct watched {
    struct call *call;
    list_source source;
    void *of;
    const struct listing *listing;
    enum output output;
    struct table *table;
    struct map *shown; /* each item's text */
    bool header;       /* is still to be printed */
};

static int read_list(struct call *call, const char *path, const struct listing *listing, struct buffer *raw,
                     cJSON **ret, struct error *error)
{
    int failed = client_get(call, path, raw, error);
    if (!failed && listing->bare)
        json_mend_escapes(raw);
    return failed ? failed : json_parse(buffer_slice(raw), &output_limits, ret, error);
}

struct answer {
    const char *path;
    const struct listing *listing;
};

static int read_answer(struct call *call, void *of, cJSON **ret, struct error *error)
{
    const struct answer *answer = of;
    AUTO_BUFFER struct buffer raw = {0};
    return read_list(call, answer->path, answer->listing, &raw, ret, error);
}

static int show_changed(struct watched *watched, const cJSON *item, struct error *error)
{
    if (watched->output == OUTPUT_NAME) {
        AUTO_BUFFER struct buffer text = {0};
        add_name(item, watched->listing->name, &text);
        return print_text(text.p, error);
    }
    if (!output_is_table(watched->output))
        return print_tree(watched->call, watched->output, item, error);
    AUTO_BUFFER struct buffer text = {0};
    watched->listing->row(item, watched->table);
    table_print(watched->table, watched->header, &text);
    watched->header = false;
    return print_text(text.p, error);
}

/* An item is shown when it was not there, so written, at the last look. */
static int look(struct watched *watched, struct error *error)
{
    AUTO_JSON cJSON *document = NULL;
    struct map *now = map_new();
    const cJSON *item;
    int failed = watched->source(watched->call, watched->of, &document, error);
    cJSON_ArrayForEach(item, items_of(document, watched->listing))
    {
        AUTO_FREE char *text = json_print(item);
        if (!failed && !map_get(watched->shown, slice_of(text)))
            failed = show_changed(watched, item, error);
        map_put(now, slice_of(text), watched);
    }
    if (failed) {
        map_free(now);
        return failed;
    }
    map_free(watched->shown);
    watched->shown = now;
    return 0;
}

static int watch(struct watched *watched, struct error *error)
{
    watched->table = output_table(watched->output, watched->listing->headers);
    watched->shown = map_new();
    int failed = look(watched, error);
    while (!failed) {
        clock_sleep_ms(LOOK_AGAIN_MS);
        failed = look(watched, error);
    }
    map_free(watched->shown);
    table_free(watched->table);
    return failed;
}

int list_made(struct call *call, list_source source, void *of, const struct listing *listing, struct error *error)
{
    enum output output;
    AUTO_JSON cJSON *document = NULL;
    int failed = output_of(call, &output, error);
    if (failed)
        return failed;
    if (call_flag(call, "watch"))
        return watch(
            &(struct watched){
                .call = call, .source = source, .of = of, .listing = listing, .output = output, .header = true},
            error);
    failed = source(call, of, &document, error);
    return failed ? failed : print_items(call, document, listing, error);
}

int list_items(struct call *call, const char *path, const struct listing *listing, struct error *error)
{
    enum output output;
    AUTO_BUFFER struct buffer raw = {0};
    AUTO_JSON cJSON *document = NULL;
    struct answer answer = {path, listing};
    int failed = output_of(call, &output, error);
    if (failed)
        return failed;
    if (output != OUTPUT_JSON || call_flag(call, "watch"))
        return list_made(call, read_answer, &answer, listing, error);
    failed = read_list(call, path, listing, &raw, &document, error);
    return failed ? failed : print_document(call, output, buffer_slice(&raw), error);
}
