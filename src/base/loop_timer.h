/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timers of libuv that never fire early. uv_timer_start counts from the time at which the current
 * turn of the loop began, in whole milliseconds: after a turn that took a second, a time-out of a
 * second that is started in it is over at once, and any time-out ends up to a millisecond too soon.
 * Whoever starts a timer for a delay uses loop_timer_start; uv_timer_start itself remains for "in
 * the next turn" and for repeated ticks.
 */
#ifndef BASE_LOOP_TIMER_H
#define BASE_LOOP_TIMER_H

#include <uv.h>

#include "base/base.h"

/* Fires once, when at least `delay_ns` have passed since this call; 0 or less: in the next turn. */
void loop_timer_start(uv_timer_t *timer, uv_timer_cb on_fire, int64_t delay_ns);

#endif
