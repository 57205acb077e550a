/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timers of libuv that never fire early. uv_timer_start counts in whole milliseconds from the time
 * at which the current turn of the loop began. So a time-out of a second that is started in a turn
 * that has already taken a second expires at once, and any time-out may expire up to a millisecond
 * early. Use loop_timer_start for delays, and uv_timer_start only for "in the next turn" and for
 * repeated ticks.
 */
#ifndef BASE_LOOP_TIMER_H
#define BASE_LOOP_TIMER_H

#include <uv.h>

#include "base/base.h"

/* Fires once, when at least `delay_ns` have passed since this call; 0 or less: in the next turn. */
void loop_timer_start(uv_timer_t *timer, uv_timer_cb on_fire, int64_t delay_ns);

#endif
