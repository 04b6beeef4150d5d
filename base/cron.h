/* Schedules as cron's tables have them. */
#ifndef ATELIER_BASE_CRON_H
#define ATELIER_BASE_CRON_H

#include "base/text.h"

/* Whether a Kubernetes CronJob, or whatever else reads schedules by robfig/cron's standard parser, understands this
 * one: five fields (minute, hour, day of the month, month, day of the week; lists, ranges, steps, names of months and
 * days; Sunday is 0), "@daily" and the like, or "@every 1h30m". If not, <fault> says what is wrong, such as "its hour
 * \"25\" is not within 0 to 23". Pure. */
bool cron_check(struct slice schedule, char *fault, size_t size);

#endif
