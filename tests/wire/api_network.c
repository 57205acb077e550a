/* SPDX-License-Identifier: Apache-2.0 */
#include "api_network.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

bool own_network(void)
{
    struct ifreq request = {.ifr_name = "lo"};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = inet_addr(OWN_ADDRESS)};
    int fd;
    bool good;

    if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0)
        return false;
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    request.ifr_flags = IFF_UP | IFF_LOOPBACK;
    good = ioctl(fd, SIOCSIFFLAGS, &request) == 0;
    snprintf(request.ifr_name, sizeof(request.ifr_name), "lo:1");
    memcpy(&request.ifr_addr, &address, sizeof(address));
    good = good && ioctl(fd, SIOCSIFADDR, &request) == 0;
    close(fd);
    return good;
}
