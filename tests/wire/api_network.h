/* SPDX-License-Identifier: Apache-2.0 */
/* A network namespace for the whole test, with an address that is not of the loopback range, so that the
 * server may be led to it. */
#ifndef TESTS_WIRE_API_NETWORK_H
#define TESTS_WIRE_API_NETWORK_H

#include <stdbool.h>

#define OWN_ADDRESS "10.42.0.7"

/* false: this needs root. */
bool own_network(void);

#endif
