/* Whatever is applied to whatever there is: the same once more changes nothing, and what is recorded is well formed. */
// fuzz: base/*.c controlplane/managed.c
#include "controlplane/managed.h"

#define NOW "2026-01-01T00:00:00Z"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Applies to *live, which becomes what is then there. */
static void apply(cJSON **live, const cJSON *applied, const char *manager, bool again)
{
    AUTO_JSON cJSON *causes = NULL;
    cJSON *object = NULL;
    cJSON *managed = NULL;
    struct error error = {0};
    struct managed_apply request = {
        .live = *live, .applied = applied, .manager = manager, .api_version = "v1", .now = NOW, .force = !again};
    int status = managed_apply(&request, &object, &managed, &causes, &error);
    if (status < 0) {
        if (again || object || managed || !error.message[0])
            abort();
        return;
    }
    if (managed_check(managed, &error) < 0)
        abort();
    json_set(json_object_in(object, "metadata"), "managedFields", managed);
    if (again && !json_equal(object, *live))
        abort();
    cJSON_Delete(*live);
    *live = object;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const managers[] = {"a", "b"};
    AUTO_JSON cJSON *steps = NULL;
    cJSON *live = NULL;
    int number = 0;
    if (json_parse((struct slice){(const char *)data, size}, NULL, &steps, NULL) != 0 || !cJSON_IsArray(steps))
        return 0;
    for (const cJSON *step = steps->child; step && number < 8; step = step->next, number++) {
        const char *manager = managers[number % 2];
        if (number == 3 && live && cJSON_IsObject(step)) { /* somebody else writes */
            cJSON *object = json_merge_patch(json_copy(live), step);
            cJSON *managed = managed_update(live, object, "c", NOW);
            if (managed && managed_check(managed, NULL) < 0)
                abort();
            cJSON_Delete(managed);
            cJSON_Delete(object);
        }
        cJSON *before = live;
        apply(&live, step, manager, false);
        if (live && live != before)
            apply(&live, step, manager, true);
    }
    cJSON_Delete(live);
    return 0;
}
