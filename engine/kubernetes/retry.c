/* Is a request sent again, and when? */
#include "engine/kubernetes/retry.h"

#include "base/text.h"

static int64_t backoff(unsigned attempts, uint32_t dice)
{
    int64_t full = RETRY_FIRST_MS;
    for (unsigned i = 1; i < attempts && full < RETRY_MAX_MS; i++)
        full *= 2;
    if (full > RETRY_MAX_MS)
        full = RETRY_MAX_MS;
    return full / 2 + (int64_t)(dice % (uint32_t)(full / 2 + 1));
}

/* 429: priority and fairness turned it away before anything was done. A 5xx with Retry-After is the API server shutting
 * down or without its storage; one without may be anything. */
static bool asks_to_come_back(const struct retry_facts *facts)
{
    return facts->status == 429 ||
           (facts->status >= 500 && facts->retry_after_ms >= 0 && (facts->repeatable || facts->status == 503));
}

static enum retry_verdict wait_within(const struct retry_facts *facts, int64_t wait, int64_t *ret_wait_ms)
{
    if (wait >= facts->left_ms)
        return RETRY_DELIVER;
    *ret_wait_ms = wait;
    return RETRY_AFTER;
}

static enum retry_verdict decide_answered(const struct retry_facts *facts, int64_t *ret_wait_ms)
{
    if (facts->status == 401)
        return facts->renewable && !facts->renewed ? RETRY_RENEW : RETRY_DELIVER;
    if (facts->once || !asks_to_come_back(facts) || facts->attempts >= RETRY_ANSWERED_ATTEMPTS_MAX)
        return RETRY_DELIVER;
    int64_t asked = facts->retry_after_ms >= 0 ? facts->retry_after_ms : 1000;
    return wait_within(facts, asked + (int64_t)(facts->dice % (uint32_t)(asked / 4 + 50)), ret_wait_ms);
}

enum retry_verdict retry_decide(const struct retry_facts *facts, int64_t *ret_wait_ms)
{
    switch (facts->transport) {
    case RETRY_ANSWERED:
        return decide_answered(facts, ret_wait_ms);
    case RETRY_BROKEN:
        if (!facts->repeatable)
            return RETRY_DELIVER;
        break;
    case RETRY_NOT_SENT:
        break;
    case RETRY_HOPELESS:
        return RETRY_DELIVER;
    }
    if (facts->once || facts->attempts >= RETRY_CONNECT_ATTEMPTS_MAX)
        return RETRY_DELIVER;
    return wait_within(facts, backoff(facts->attempts, facts->dice), ret_wait_ms);
}

int64_t retry_after_parse(const char *value, uint64_t length)
{
    int64_t seconds;
    if (!text_parse_i64(slice_trim((struct slice){value, (size_t)length}), 0, INT64_MAX / 1000, &seconds))
        return -1;
    return seconds > 3600 ? 3600 * 1000 : seconds * 1000;
}
