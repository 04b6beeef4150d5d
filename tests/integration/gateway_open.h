/* What the owner opens to anybody, or to whoever holds a token for it: tests of gateway_test.c, which includes this
 * after its helpers. */
#ifndef ATELIER_TESTS_GATEWAY_OPEN_H
#define ATELIER_TESTS_GATEWAY_OPEN_H

/* Nobody's identity is behind these: only the owner's word, which may be taken back. */
static void what_is_closed_again_ends(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer answer = {0};
    int fd = client_connect();
    static const char head[] = "GET /serve/alice/open1/app HTTP/1.1\r\n" HOST WS "\r\n";
    send_all(fd, head, sizeof(head) - 1);
    client_read(fd, &answer, "\r\n\r\n", PATIENCE_MS);
    assert_non_null(answer.p);
    assert_non_null(strstr(answer.p, "101 Switching"));
    policy_changed(); /* of somebody else: it goes on */
    assert_echoes(fd);
    apps_open = false;
    policy_changed();
    assert_closes(fd);
    close(fd);
    buffer_clear(&answer);
    assert_int_equal(ask("GET /serve/alice/open1/app HTTP/1.1\r\n" HOST "\r\n", &answer), 401);
}

/* The path that was asked is remembered for as long as the connection is open. */
static void a_tokens_websocket_ends_with_the_token(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer answer = {0};
    int fd = client_connect();
    static const char head[] =
        "GET /serve/alice/shop1/app/chat HTTP/1.1\r\n" HOST "Authorization: Bearer token-dora\r\n" WS "\r\n";
    send_all(fd, head, sizeof(head) - 1);
    client_read(fd, &answer, "\r\n\r\n", PATIENCE_MS);
    assert_non_null(answer.p);
    assert_non_null(strstr(answer.p, "101 Switching"));
    for (int i = 0; i < 3; i++) {
        policy_changed(); /* of somebody else: it goes on */
        assert_echoes(fd);
    }
    grant_revoked[PERSON_DORA] = true;
    policy_changed();
    assert_closes(fd);
    close(fd);
    buffer_clear(&answer);
    assert_int_equal(ask(head, &answer), 404);
}

#endif
