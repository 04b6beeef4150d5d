/* Times. Wall clock for what people and other machines read, monotonic for everything that measures or expires idle. */
#ifndef ATELIER_BASE_CLOCK_H
#define ATELIER_BASE_CLOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

int64_t clock_wall_ms(void);
int64_t clock_monotonic_ms(void);
void clock_sleep_ms(int64_t ms);
/* How long who began at <began_ms> (monotonic) rests, so that its work takes at most a <share>th of the time;
 * <least_ms> at least. */
int64_t clock_rest_ms(int64_t began_ms, int64_t share, int64_t least_ms);
/* Begins a condition variable whose timed waits are by the monotonic clock. */
void clock_condition(pthread_cond_t *condition);
/* That many ms from now, as such a one waits for. */
void clock_after(int64_t ms, struct timespec *ret);
#define CLOCK_TEXT_SIZE 32
/* RFC 3339 in UTC, whole seconds ("2026-11-23T03:00:00Z"), as Kubernetes metav1.Time; micro: metav1.MicroTime. */
void clock_format(int64_t wall_ms, char ret[CLOCK_TEXT_SIZE]);
void clock_format_micro(int64_t wall_ms, char ret[CLOCK_TEXT_SIZE]);
bool clock_parse(struct slice text, int64_t *ret_wall_ms); /* RFC 3339 with Z or an offset */

#endif
