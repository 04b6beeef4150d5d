/* What runs on this machine, and how does it start and end? */
#include "base/log.h"
#include "base/version.h"
#include "cli/client.h"
#include "cli/object.h"
#include "cli/verbs.h"
#include "supervisor/rootless.h"

static int find_layout(const struct call *call, struct layout *ret, struct error *error)
{
    return layout_find(call_option(call, "data"), call_option(call, "images"), ret, error);
}

int verb_local_up(struct call *call, struct error *error)
{
    struct layout layout;
    int failed = find_layout(call, &layout, error);
    return failed ? failed : supervisor_up(&layout, error);
}

int verb_local_down(struct call *call, struct error *error)
{
    struct layout layout;
    int failed = find_layout(call, &layout, error);
    return failed ? failed : supervisor_down(&layout, error);
}

/* How many pods run, asked of the service itself: the processes below know nothing of pods. */
static void add_pods(struct call *call, const struct layout *layout, struct table *table)
{
    AUTO_JSON cJSON *list = NULL;
    const cJSON *pod;
    unsigned running = 0, all = 0;
    setenv("ATELIER_ADMIN_SOCKET", layout->admin_socket, 1);
    unsetenv("ATELIER_URL"); /* this is about the local one */
    bool answered = client_json(call, "GET", "/api/v1/pods", NULL, &list, NULL) == 0;
    cJSON_ArrayForEach(pod, json_member(list, "items"))
    {
        all++;
        running += strcmp(json_text_or("", pod, "status", "phase", NULL), "Running") == 0;
    }
    AUTO_FREE char *text = answered ? memory_format("%u running of %u", running, all) : memory_text("unknown");
    table_add(table, "pods");
    for (int i = 0; i < 3; i++)
        table_add(table, "");
    table_add(table, text);
}

static void add_process(const struct supervisor_status *status, struct table *table)
{
    char pid[24] = "", uptime[32] = "", memory[32] = "";
    if (status->pid) {
        snprintf(pid, sizeof(pid), "%d", (int)status->pid);
        table_age(status->uptime_s, uptime, sizeof(uptime));
        table_bytes(status->memory_bytes, memory, sizeof(memory));
    }
    table_add(table, status->name);
    table_add(table, pid);
    table_add(table, uptime);
    table_add(table, memory);
    table_add(table, status->state);
}

static cJSON *status_json(const struct supervisor_status *statuses, const struct layout *layout)
{
    cJSON *document = json_object();
    json_set_text(document, "data", layout->data);
    json_set_text(document, "run", layout->run);
    cJSON *array = json_set(document, "processes", json_array());
    for (int i = 0; i < SUPERVISOR_PROCESS_COUNT; i++) {
        cJSON *item = json_push(array, json_object());
        json_set_text(item, "name", statuses[i].name);
        json_set_text(item, "state", statuses[i].state);
        json_set_i64(item, "pid", statuses[i].pid);
        json_set_i64(item, "uptimeSeconds", statuses[i].uptime_s);
        json_set_i64(item, "memoryBytes", statuses[i].memory_bytes);
    }
    return document;
}

int verb_local_status(struct call *call, struct error *error)
{
    static const char *const headers[] = {"PROCESS", "PID", "UPTIME", "MEMORY", "STATE", NULL};
    struct supervisor_status statuses[SUPERVISOR_PROCESS_COUNT];
    struct layout layout;
    AUTO_BUFFER struct buffer text = {0};
    enum output output;
    int failed = find_layout(call, &layout, error);
    if (!failed)
        failed = output_of(call, &output, error);
    if (failed)
        return failed;
    rootless_enter_existing(&layout);
    supervisor_status(&layout, statuses);
    if (!output_is_table(output)) {
        AUTO_JSON cJSON *document = status_json(statuses, &layout);
        return print_tree(call, output, document, error);
    }
    struct table *table = output_table(output, headers);
    for (int i = 0; i < SUPERVISOR_PROCESS_COUNT; i++)
        add_process(&statuses[i], table);
    if (statuses[SUPERVISOR_ATELIERD].pid)
        add_pods(call, &layout, table);
    table_print(table, true, &text);
    table_free(table);
    return print_text(text.p, error);
}

int verb_version(struct call *call, struct error *error)
{
    (void)call;
    return print_text("atelier " ATELIER_VERSION "\n", error);
}
