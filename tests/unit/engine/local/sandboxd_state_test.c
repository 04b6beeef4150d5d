/* Is what is written down about a pod what is read back, and does its phase follow from it? */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/local/sandboxd/limits.h"
#include "engine/local/sandboxd/state.h"

static void make(struct box_state *state, const char *containers)
{
    AUTO_FREE char *text = memory_format("{\"uid\":\"u-1\",\"containers\":%s}", containers);
    AUTO_JSON cJSON *spec = NULL;
    assert_int_equal(json_parse(slice_of(text), &json_limits_default, &spec, NULL), 0);
    box_state_init(state, spec, "10.64.0.9");
}

static void state_comes_back_as_it_was(void **context)
{
    (void)context;
    struct box_state state, again;
    make(&state, "[{\"name\":\"a\",\"restart\":\"Never\"},{\"name\":\"b\",\"init\":true}]");
    state.made = state.stopping = true;
    state.kill_after = 123456;
    state.containers[0] = (struct box_container){.name = "a",
                                                 .id = "t-0123",
                                                 .restart = BOX_RESTART_NEVER,
                                                 .state = BOX_RUNNING,
                                                 .pid = 4711,
                                                 .pid_start = 99887766,
                                                 .monitor_pid = 4710,
                                                 .monitor_start = 99887765,
                                                 .exit_code = 137,
                                                 .reason = "OOMKilled",
                                                 .message = "a \"quoted\"\nline",
                                                 .started_at = 1700000000000,
                                                 .finished_at = 1700000000001,
                                                 .restarts = 7,
                                                 .backoff_ms = 4000,
                                                 .start_after = 5,
                                                 .asked_to_end = true};
    AUTO_JSON cJSON *json = box_state_print(&state);
    assert_int_equal(box_state_parse(json, &again, NULL), 0);
    AUTO_JSON cJSON *printed = box_state_print(&again);
    assert_true(json_equal(json, printed));
    assert_memory_equal(&state.containers[0], &again.containers[0], sizeof(state.containers[0]));
    assert_int_equal(again.count, 2);
    assert_true(again.made && again.stopping && again.containers[1].init);
    box_state_free(&state);
    box_state_free(&again);
}

static void damaged_state_is_refused(void **context)
{
    (void)context;
    static const char *const texts[] = {
        "{}",
        "[]",
        "7",
        "{\"uid\":\"u\",\"address\":\"a\",\"containers\":[]}",
        "{\"uid\":\"u\",\"address\":\"a\",\"containers\":[{}]}",
        "{\"uid\":\"u\",\"address\":\"a\",\"containers\":[{\"name\":\"a\",\"state\":\"happy\",\"restart\":\"Never\"}]}",
        "{\"uid\":\"u\",\"containers\":[{\"name\":\"a\",\"state\":\"waiting\",\"restart\":\"Never\"}]}"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        AUTO_JSON cJSON *json = NULL;
        struct box_state state = {0};
        assert_int_equal(json_parse(slice_of(texts[i]), &json_limits_default, &json, NULL), 0);
        assert_int_equal(box_state_parse(json, &state, NULL), -ERROR_INVALID);
        assert_null(state.containers);
    }
}

/* One letter a container: w(aiting) W(aiting again) r(unning) e(xited 0) f(ailed); upper case I before it: init. */
static void the_phase_follows(void **context)
{
    (void)context;
    static const struct {
        const char *containers;
        bool stopping;
        const char *phase;
    } table[] = {
        {"w", false, "starting"},   {"r", false, "running"},    {"e", false, "stopped"},   {"f", false, "stopped"},
        {"W", false, "running"},    {"rw", false, "starting"},  {"re", false, "running"},  {"ef", false, "stopped"},
        {"Irw", false, "starting"}, {"Iew", false, "starting"}, {"Ier", false, "running"}, {"Ifw", false, "stopped"},
        {"r", true, "stopping"},    {"w", true, "stopped"},     {"er", true, "stopping"},  {"e", true, "stopped"},
        {"W", true, "stopped"},     {"Irw", true, "stopping"},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct box_container containers[4] = {0};
        struct box_state state = {.stopping = table[i].stopping, .containers = containers};
        for (const char *c = table[i].containers; *c; c++) {
            struct box_container *at = &containers[state.count++];
            if (*c == 'I') {
                at->init = true;
                c++;
            }
            at->restart = BOX_RESTART_NEVER;
            at->state = *c == 'r' ? BOX_RUNNING : *c == 'w' || *c == 'W' ? BOX_WAITING : BOX_EXITED;
            at->started_at = *c == 'w' ? 0 : 1;
            at->exit_code = *c == 'f';
        }
        if (strcmp(box_state_phase(&state), table[i].phase))
            fail_msg("%s%s: %s, not %s", table[i].containers, table[i].stopping ? " stopping" : "",
                     box_state_phase(&state), table[i].phase);
    }
}

static void policies_decide_on_restarts(void **context)
{
    (void)context;
    static const struct {
        enum box_restart restart;
        bool init;
        int code;
        bool again;
    } table[] = {
        {BOX_RESTART_ALWAYS, false, 0, true},      {BOX_RESTART_ALWAYS, false, 1, true},
        {BOX_RESTART_ALWAYS, true, 0, false},      {BOX_RESTART_ALWAYS, true, 1, true},
        {BOX_RESTART_ON_FAILURE, false, 0, false}, {BOX_RESTART_ON_FAILURE, false, 137, true},
        {BOX_RESTART_NEVER, false, 1, false},      {BOX_RESTART_NEVER, true, 1, false},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct box_container container = {
            .restart = table[i].restart, .init = table[i].init, .exit_code = table[i].code, .state = BOX_EXITED};
        assert_int_equal(box_container_restarts(&container), table[i].again);
    }
}

static void the_backoff_doubles_and_forgets(void **context)
{
    (void)context;
    static const int64_t expected[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
    int64_t backoff = 0;
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        backoff = box_backoff_next(backoff, 5);
        assert_int_equal(backoff, expected[i]);
    }
    assert_int_equal(box_backoff_next(60000, BOX_BACKOFF_FORGET_MS), 1000);
}

static void records_show_no_internals(void **context)
{
    (void)context;
    struct box_state state;
    make(&state, "[{\"name\":\"a\"}]");
    state.containers[0].state = BOX_CREATING;
    AUTO_JSON cJSON *record = box_state_record(&state, "alice", "p");
    const cJSON *container = json_member(record, "containers")->child;
    assert_string_equal(json_text(container, "state", NULL), "waiting");
    assert_string_equal(json_text(record, "sandbox", NULL), "alice");
    assert_null(json_member(container, "monitor_pid"));
    assert_null(json_member(container, "id"));
    box_state_free(&state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(state_comes_back_as_it_was),
        cmocka_unit_test(damaged_state_is_refused),
        cmocka_unit_test(the_phase_follows),
        cmocka_unit_test(policies_decide_on_restarts),
        cmocka_unit_test(the_backoff_doubles_and_forgets),
        cmocka_unit_test(records_show_no_internals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
