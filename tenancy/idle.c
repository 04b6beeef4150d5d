/* When is a workload that nobody uses stopped? */
#include "tenancy/idle.h"

#include "base/clock.h"
#include "base/duration.h"

#define TOLD_MAX_MS 300000 /* lastActivity is told at least this exactly */
#define AGAIN_LEAST_MS 500

const struct idle_terms idle_stops = {.after = IDLE_AFTER,
                                      .last = "lastActivity",
                                      .end = "idleStopAt",
                                      .last_note = "atelier.dev/last-activity",
                                      .end_note = "atelier.dev/idle-stop-at",
                                      .warned = "Idle",
                                      .ended = "StoppedIdle",
                                      .since = "nobody has used it",
                                      .done = "stopped",
                                      .rescue = "somebody does"};

const struct idle_terms *idle_terms_of(const struct idle_options *options)
{
    return options->terms ? options->terms : &idle_stops;
}

static const char *annotation(const cJSON *object, const char *key)
{
    return json_text(object, "metadata", "annotations", key, NULL);
}

static bool read_after(const char *text, int64_t *ret_s)
{
    return duration_parse(slice_of(text), ret_s) && (*ret_s == 0 || *ret_s >= IDLE_AFTER_LEAST_S);
}

enum idle_resume idle_resume_said(const cJSON *object)
{
    const char *text = annotation(object, IDLE_RESUME);
    if (!text)
        return IDLE_RESUME_UNSAID;
    if (strcmp(text, "always") == 0)
        return IDLE_RESUME_ALWAYS;
    return strcmp(text, "idle") == 0 ? IDLE_RESUME_IDLE : IDLE_RESUME_NEVER;
}

static int check_after(const cJSON *object, const char *key, const char *field, struct error *error)
{
    const char *after = annotation(object, key);
    int64_t number;
    if (!after || read_after(after, &number))
        return 0;
    return error_set(error, ERROR_INVALID, field,
                     "%s must be a duration of at least %d s such as 2h or 1d12h, or 0 for never", key,
                     IDLE_AFTER_LEAST_S);
}

int idle_check_annotations(const cJSON *object, struct error *error)
{
    const char *resume = annotation(object, IDLE_RESUME);
    const char *keep = annotation(object, IDLE_KEEP_UNTIL);
    int64_t number;
    int r = check_after(object, IDLE_AFTER, "metadata.annotations[" IDLE_AFTER "]", error);
    if (r == 0)
        r = check_after(object, IDLE_DELETE_AFTER, "metadata.annotations[" IDLE_DELETE_AFTER "]", error);
    if (r < 0)
        return r;
    if (keep && !clock_parse(slice_of(keep), &number))
        return error_set(error, ERROR_INVALID, "metadata.annotations[" IDLE_KEEP_UNTIL "]",
                         IDLE_KEEP_UNTIL " must be a time such as 2026-11-23T18:00:00Z");
    if (resume && idle_resume_said(object) == IDLE_RESUME_NEVER && strcmp(resume, "never") != 0)
        return error_set(error, ERROR_INVALID, "metadata.annotations[" IDLE_RESUME "]",
                         IDLE_RESUME " must be \"idle\" (what was suspended because nobody used it), \"always\" "
                                     "(what somebody suspended, too) or \"never\"");
    return 0;
}

int idle_after(struct engine *engine, const struct idle_options *options, const cJSON *workload, int64_t *ret_s,
               struct error *error)
{
    AUTO_JSON cJSON *profile = NULL;
    const char *key = idle_terms_of(options)->after;
    const char *text = annotation(workload, key);
    *ret_s = 0;
    if (!text) {
        int r = engine_get(engine, KIND_PROFILE, NULL, json_text_or("", workload, "metadata", "namespace", NULL),
                           &profile, error);
        if (r < 0 && r != -ERROR_NOT_FOUND)
            return r;
        text = annotation(profile, key);
    }
    if (!text)
        *ret_s = options->after_s;
    else if (!read_after(text, ret_s))
        *ret_s = 0;
    return 0;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

void idle_decide(const struct idle_case *idle, struct idle_verdict *ret)
{
    int64_t due_ms = later(idle->last_ms + idle->after_ms, idle->keep_until_ms);
    int64_t warn_ms = idle->warn_ms < idle->after_ms / 2 ? idle->warn_ms : idle->after_ms / 2;
    int64_t next_ms = due_ms - warn_ms;
    *ret = (struct idle_verdict){.step = IDLE_NOTHING};
    if (idle->now_ms >= next_ms) {
        ret->stop_at_ms = idle->warned_ms ? later(due_ms, idle->warned_ms) : later(due_ms, idle->now_ms + warn_ms);
        ret->step = idle->warned_ms && idle->now_ms >= ret->stop_at_ms ? IDLE_STOP : IDLE_WARN;
        next_ms = ret->stop_at_ms;
    }
    ret->again_ms = next_ms - idle->now_ms < idle->check_ms ? next_ms - idle->now_ms : idle->check_ms;
    ret->again_ms = later(ret->again_ms, AGAIN_LEAST_MS);
}

static int64_t time_of(const char *text)
{
    int64_t ms = 0;
    return text && clock_parse(slice_of(text), &ms) ? ms : 0;
}

void idle_case_of(const struct idle_options *options, int64_t after_s, const cJSON *workload, const cJSON *known,
                  int64_t now_ms, struct idle_case *ret)
{
    const struct idle_terms *terms = idle_terms_of(options);
    *ret = (struct idle_case){.terms = terms,
                              .after_ms = after_s * 1000,
                              .warn_ms = options->warn_s * 1000,
                              .check_ms = options->check_s * 1000,
                              .last_ms = terms->last ? time_of(json_text(known, terms->last, NULL)) : 0,
                              .keep_until_ms = time_of(annotation(workload, IDLE_KEEP_UNTIL)),
                              .warned_ms = time_of(json_text(known, terms->end, NULL)),
                              .now_ms = now_ms};
}

bool idle_note(const struct idle_case *idle, const struct idle_verdict *verdict, cJSON *known)
{
    char text[CLOCK_TEXT_SIZE];
    int64_t exact_ms = idle->after_ms / 10 < TOLD_MAX_MS ? idle->after_ms / 10 : TOLD_MAX_MS;
    const struct idle_terms *terms = idle->terms;
    int64_t told_ms = terms->last ? time_of(json_text(known, terms->last, NULL)) : idle->last_ms;
    /* The announced end is told in whole seconds: rounded up, so that it never comes early. */
    int64_t end_ms = verdict->step == IDLE_NOTHING ? 0 : (verdict->stop_at_ms + 999) / 1000 * 1000;
    bool turned = (end_ms == 0) != (idle->warned_ms == 0), moved = end_ms != idle->warned_ms;
    if (!turned && !moved && idle->last_ms - told_ms < exact_ms)
        return false;
    clock_format(idle->last_ms, text);
    if (terms->last)
        json_set_text(known, terms->last, text);
    if (end_ms)
        clock_format(end_ms, text);
    json_set_text(known, terms->end, end_ms ? text : NULL);
    return true;
}

void idle_keep(const struct idle_terms *terms, const cJSON *from, cJSON *to)
{
    if (terms->last)
        json_set_text(to, terms->last, json_text(from, terms->last, NULL));
    json_set_text(to, terms->end, json_text(from, terms->end, NULL));
}

cJSON *idle_known(const struct idle_options *options, const cJSON *workload)
{
    const struct idle_terms *terms = idle_terms_of(options);
    cJSON *known = json_object();
    if (!options->in_annotations) {
        idle_keep(terms, json_member(workload, "status"), known);
        return known;
    }
    if (terms->last)
        json_set_text(known, terms->last, annotation(workload, terms->last_note));
    json_set_text(known, terms->end, annotation(workload, terms->end_note));
    return known;
}

static void set_note(cJSON *annotations, const char *key, const char *text)
{
    json_set(annotations, key, text ? cJSON_CreateString(text) : cJSON_CreateNull());
}

cJSON *idle_known_patch(const struct idle_options *options, const cJSON *workload, const cJSON *known)
{
    const struct idle_terms *terms = idle_terms_of(options);
    cJSON *patch = json_object(), *metadata = json_object_in(patch, "metadata");
    cJSON *annotations = json_object_in(metadata, "annotations");
    json_set_text(metadata, "resourceVersion", json_text(workload, "metadata", "resourceVersion", NULL));
    if (terms->last)
        set_note(annotations, terms->last_note, json_text(known, terms->last, NULL));
    set_note(annotations, terms->end_note, json_text(known, terms->end, NULL));
    return patch;
}
