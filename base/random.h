/* Randomness (getrandom), digests and constant-time comparison (OpenSSL). Thread-safe. */
#ifndef ATELIER_BASE_RANDOM_H
#define ATELIER_BASE_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

void random_bytes(void *ret, size_t count); /* aborts if the kernel refuses */
char *random_token(size_t bytes);           /* base64url of that many random bytes; malloc'ed */
#define RANDOM_UUID_SIZE 37
void random_uuid(char ret[RANDOM_UUID_SIZE]); /* RFC 9562 version 4 */
void random_suffix(char ret[6]);              /* five of Kubernetes' name-safe alphabet "bcdfghjklmnpqrstvwxz2456789" */

#define DIGEST_SIZE 32
void digest_sha256(struct slice data, uint8_t ret[DIGEST_SIZE]);
void digest_sha256_hex(struct slice data, char ret[2 * DIGEST_SIZE + 1]);
bool digest_equal(const void *a, const void *b, size_t count); /* constant time */

#endif
