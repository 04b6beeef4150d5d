/* Who looks on at a list of people is told when it is another one, and only for as long as it may be read. */
#include "gateway/limits.h"
#include "tests/integration/api_reader.h"

#define PEOPLE "/api/atelier/v1"
#define AUDIT PEOPLE "/profiles/alice/audit"

static void share(const char *email, const char *role)
{
    AUTO_FREE char *body =
        memory_format("{\"subject\":{\"kind\":\"User\",\"name\":\"%s\"},\"role\":\"%s\"}", email, role);
    DO(201, ALICE, "POST", MEMBERS, body);
}

static void take_away(const char *email)
{
    AUTO_FREE char *path = memory_format(MEMBERS "/%lld", (long long)member_id(email));
    DO(204, ALICE, "DELETE", path, NULL);
}

static size_t count_of(const struct reader *reader, const char *text)
{
    size_t count = 0;
    for (const char *at = reader->raw.p; at && (at = strstr(at, text)); at++)
        count++;
    return count;
}

static void wait_lines(struct reader *reader, size_t count)
{
    int64_t until = clock_monotonic_ms() + PATIENCE_MS;
    while (count_of(reader, "{\"items\":") < count && clock_monotonic_ms() < until && !reader->ended)
        comes(reader, "\1 never comes \1", 50);
    assert_int_equal(count_of(reader, "{\"items\":"), count);
}

/* The whole list each time; what was taken out of it is not in the line that follows. */
static void members_are_watched(void **state)
{
    (void)state;
    struct reader reader = open_stream(VI, MEMBERS "?watch=1");
    COMES(&reader, "{\"items\":[{");
    COMES(&reader, "alice@example.com");
    share("carol@example.com", "viewer");
    COMES(&reader, "carol@example.com");
    share("carol@example.com", "editor");
    wait_lines(&reader, 3);
    take_away("carol@example.com");
    wait_lines(&reader, 4);
    assert_int_equal(count_of(&reader, "carol@example.com"), 2);
    close_stream(&reader);
}

static void what_changes_elsewhere_is_not_told(void **state)
{
    (void)state;
    struct reader own = open_stream(ED, PEOPLE "/tokens?watch=1");
    struct reader other = open_stream(ALICE, PEOPLE "/tokens?watch=1");
    COMES(&own, "{\"items\":[{");
    COMES(&other, "{\"items\":[{");
    DO(201, ALICE, "POST", PEOPLE "/tokens", "{\"name\":\"fresh\"}");
    COMES(&other, "\"name\":\"fresh\"");
    assert_false(comes(&own, "fresh", 500));
    close_stream(&own);
    close_stream(&other);
}

static void accounts_are_watched_by_admins(void **state)
{
    (void)state;
    DO(403, ALICE, "GET", PEOPLE "/users?watch=1", NULL);
    DO(403, ALICE, "GET", PEOPLE "/audit?watch=1", NULL);
    struct reader users = open_stream(ADMIN, PEOPLE "/users?watch=1");
    struct reader audit = open_stream(ADMIN, PEOPLE "/audit?watch=1&limit=3");
    struct reader sessions = open_stream(ADMIN, PEOPLE "/sessions?watch=1");
    COMES(&users, "alice@example.com");
    COMES(&sessions, "{\"items\":[");
    DO(201, ADMIN, "POST", PEOPLE "/users", "{\"email\":\"dora@example.com\"}");
    COMES(&users, "dora@example.com");
    COMES(&audit, "dora@example.com");
    close_stream(&users);
    close_stream(&audit);
    close_stream(&sessions);
}

static void the_log_is_watched_by_those_who_may(void **state)
{
    (void)state;
    DO(403, VI, "GET", AUDIT "?watch=1", NULL);
    DO(404, BOB, "GET", AUDIT "?watch=1", NULL);
    DO(404, BOB, "GET", MEMBERS "?watch=1", NULL);
    struct reader reader = open_stream(MAX, AUDIT "?watch=1&limit=2");
    COMES(&reader, "{\"items\":[");
    share("erin@example.com", "viewer");
    COMES(&reader, "erin@example.com as viewer");
    close_stream(&reader);
}

static void revocation_ends_it(void **state)
{
    (void)state;
    struct reader members = open_stream(MAX, MEMBERS "?watch=1");
    struct reader audit = open_stream(MAX, AUDIT "?watch=1");
    struct reader kept = open_stream(VI, MEMBERS "?watch=1");
    COMES(&members, "max@example.com");
    COMES(&audit, "{\"items\":[");
    take_away("max@example.com");
    share("frank@example.com", "viewer");
    assert_true(ends(&members, PATIENCE_MS));
    assert_true(ends(&audit, PATIENCE_MS));
    assert_null(strstr(members.raw.p, "frank@example.com"));
    assert_null(strstr(audit.raw.p, "frank@example.com"));
    COMES(&kept, "frank@example.com");
    close_stream(&members);
    close_stream(&audit);
    close_stream(&kept);
}

static void watching_is_bounded(void **state)
{
    (void)state;
    static struct reader readers[140];
    size_t opened = 0, refused = 0;
    DO(400, ALICE, "GET", MEMBERS "?watch=1&timeoutSeconds=0", NULL);
    DO(400, ALICE, "GET", AUDIT "?watch=1&before=7", NULL);
    struct reader brief = open_stream(ALICE, MEMBERS "?watch=1&timeoutSeconds=1");
    assert_true(ends(&brief, PATIENCE_MS));
    assert_non_null(strstr(brief.raw.p, "\r\n0\r\n\r\n")); /* properly */
    close_stream(&brief);
    for (size_t i = 0; i < COUNT_OF(readers); i++) {
        readers[i] = open_stream(VI, MEMBERS "?watch=1");
        COMES(&readers[i], "\r\n\r\n");
        opened += strstr(readers[i].raw.p, " 200 OK") != NULL;
        refused += strstr(readers[i].raw.p, " 429 ") != NULL;
    }
    assert_int_equal(opened, 128);
    assert_int_equal(refused, 12);
    DO(200, ED, "GET", MEMBERS, NULL);
    for (size_t i = 0; i < COUNT_OF(readers); i++)
        close_stream(&readers[i]);
}

int main(void)
{
    gateway_limits.sweep_ms = 2 * PATIENCE_MS; /* what ends is told to, and not found later */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_watched),
        cmocka_unit_test(what_changes_elsewhere_is_not_told),
        cmocka_unit_test(accounts_are_watched_by_admins),
        cmocka_unit_test(the_log_is_watched_by_those_who_may),
        cmocka_unit_test(watching_is_bounded),
        cmocka_unit_test(revocation_ends_it),
    };
    return cmocka_run_group_tests(tests, api_group_start, api_group_stop);
}
