/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/fault.h"
#include "net/netlink.h"

#define REQUEST_MAX 1024

typedef struct Request {
    union {
        struct nlmsghdr header;
        char room[REQUEST_MAX];
    };
} Request;

static struct nlmsghdr *request_begin(Request *request, uint16_t type, uint16_t flags)
{
    struct nlmsghdr *nlh = mnl_nlmsg_put_header(request->room);

    nlh->nlmsg_type = type;
    nlh->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
    nlh->nlmsg_seq = 1;
    return nlh;
}

static void close_socket(struct mnl_socket **socket)
{
    if (*socket)
        mnl_socket_close(*socket);
}

/* Sends the request, and calls cb for every message of the answer. */
static int exchange(struct nlmsghdr *nlh, mnl_cb_t cb, void *data)
{
    _cleanup_(close_socket)
    struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    char room[32 * 1024];
    int r = MNL_CB_OK;

    if (!socket || mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0)
        return ERR_ORIGIN(-errno);
    if (FAULT_POINT("netlink"))
        return ERR_ORIGIN(-ENOBUFS);
    if (mnl_socket_sendto(socket, nlh, nlh->nlmsg_len) < 0)
        return ERR_ORIGIN(-errno);
    do {
        ssize_t n = mnl_socket_recvfrom(socket, room, sizeof(room));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ERR_ORIGIN(-errno);
        r = mnl_cb_run(room, (size_t)n, 1, mnl_socket_get_portid(socket), cb, data);
        if (r < 0)
            return ERR_ORIGIN(-errno);
    } while (r > MNL_CB_STOP);
    return 0;
}

static int acknowledge(struct nlmsghdr *nlh)
{
    nlh->nlmsg_flags |= NLM_F_ACK;
    return exchange(nlh, NULL, NULL);
}

/* Waits for the answer to an addition, which succeeds even if the object exists already. */
static int acknowledge_add(struct nlmsghdr *nlh)
{
    int r = acknowledge(nlh);

    return r == -EEXIST ? 0 : ERR_TRACE(r);
}

int link_index(const char *name, unsigned *ret)
{
    *ret = if_nametoindex(name);
    return *ret ? 0 : NETLINK_E_MISSING;
}

int link_create_bridge(const char *name, const uint8_t mac[static 6])
{
    Request request;
    struct nlmsghdr *nlh = request_begin(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    struct nlattr *info;

    mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
    mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
    /* A bridge without a fixed hardware address takes over that of one of its ports, and changes it when that port goes;
     * pods would keep the old one in their neighbour caches. */
    mnl_attr_put(nlh, IFLA_ADDRESS, 6, mac);
    info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
    mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "bridge");
    mnl_attr_nest_end(nlh, info);
    return acknowledge_add(nlh);
}

int link_create_veth(const char *name, unsigned master, const char *peer,
                     const uint8_t mac[static 6], int netns_fd)
{
    Request request;
    struct nlmsghdr *nlh = request_begin(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    struct nlattr *info, *data, *other;
    struct ifinfomsg *link = mnl_nlmsg_put_extra_header(nlh, sizeof(*link));
    int r;

    link->ifi_flags = link->ifi_change = IFF_UP;
    mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
    if (master)
        mnl_attr_put_u32(nlh, IFLA_MASTER, master);
    info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
    mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "veth");
    data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
    other = mnl_attr_nest_start(nlh, VETH_INFO_PEER);
    mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
    mnl_attr_put_strz(nlh, IFLA_IFNAME, peer);
    mnl_attr_put(nlh, IFLA_ADDRESS, 6, mac);
    mnl_attr_put_u32(nlh, IFLA_NET_NS_FD, (uint32_t)netns_fd);
    mnl_attr_nest_end(nlh, other);
    mnl_attr_nest_end(nlh, data);
    mnl_attr_nest_end(nlh, info);
    r = acknowledge(nlh);
    return r == -EEXIST ? NETLINK_E_EXISTS : ERR_TRACE(r);
}

int link_set_up(unsigned index)
{
    Request request;
    struct nlmsghdr *nlh = request_begin(&request, RTM_NEWLINK, 0);
    struct ifinfomsg *link = mnl_nlmsg_put_extra_header(nlh, sizeof(*link));

    link->ifi_index = (int)index;
    link->ifi_flags = link->ifi_change = IFF_UP;
    return acknowledge(nlh);
}

int link_set_hairpin(unsigned index)
{
    Request request;
    struct nlmsghdr *nlh = request_begin(&request, RTM_SETLINK, 0);
    struct ifinfomsg *link = mnl_nlmsg_put_extra_header(nlh, sizeof(*link));
    struct nlattr *port;

    link->ifi_family = AF_BRIDGE;
    link->ifi_index = (int)index;
    port = mnl_attr_nest_start(nlh, IFLA_PROTINFO);
    mnl_attr_put_u8(nlh, IFLA_BRPORT_MODE, 1);
    mnl_attr_nest_end(nlh, port);
    return acknowledge(nlh);
}

int link_delete(const char *name)
{
    Request request;
    struct nlmsghdr *nlh = request_begin(&request, RTM_DELLINK, 0);
    int r;

    mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
    mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
    r = acknowledge(nlh);
    return r == -ENODEV ? 0 : ERR_TRACE(r);
}

typedef struct EachLink {
    const char *prefix;
    void (*each)(void *data, const char *name);
    void *data;
} EachLink;

static int on_link(const struct nlmsghdr *nlh, void *data)
{
    EachLink *e = data;
    struct nlattr *attr;

    mnl_attr_for_each(attr, nlh, sizeof(struct ifinfomsg))
    {
        if (mnl_attr_get_type(attr) == IFLA_IFNAME &&
            mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0 &&
            str_starts_with(mnl_attr_get_str(attr), e->prefix))
            e->each(e->data, mnl_attr_get_str(attr));
    }
    return MNL_CB_OK;
}

int link_each(const char *prefix, void (*each)(void *data, const char *name), void *data)
{
    EachLink e = {prefix, each, data};
    Request request;
    struct nlmsghdr *nlh = request_begin(&request, RTM_GETLINK, NLM_F_DUMP);

    mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
    return ERR_TRACE(exchange(nlh, on_link, &e));
}

static int address_change(uint16_t type, uint16_t flags, unsigned index, uint32_t address, int bits)
{
    Request request;
    struct nlmsghdr *nlh = request_begin(&request, type, flags);
    struct ifaddrmsg *a = mnl_nlmsg_put_extra_header(nlh, sizeof(*a));

    a->ifa_family = AF_INET;
    a->ifa_prefixlen = (uint8_t)bits;
    a->ifa_scope = RT_SCOPE_UNIVERSE;
    a->ifa_index = index;
    mnl_attr_put_u32(nlh, IFA_LOCAL, htonl(address));
    mnl_attr_put_u32(nlh, IFA_ADDRESS, htonl(address));
    return acknowledge(nlh);
}

int address_add(unsigned index, uint32_t address, int bits)
{
    int r = address_change(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, index, address, bits);

    return r == -EEXIST ? 0 : ERR_TRACE(r);
}

int address_delete(unsigned index, uint32_t address, int bits)
{
    int r = address_change(RTM_DELADDR, 0, index, address, bits);

    return r == -EADDRNOTAVAIL ? 0 : ERR_TRACE(r);
}

typedef struct EachAddress {
    unsigned index;
    void (*each)(void *data, uint32_t address, int bits);
    void *data;
} EachAddress;

static int on_address(const struct nlmsghdr *nlh, void *data)
{
    const struct ifaddrmsg *a = mnl_nlmsg_get_payload(nlh);
    EachAddress *e = data;
    struct nlattr *attr;

    if (a->ifa_index != e->index || a->ifa_family != AF_INET)
        return MNL_CB_OK;
    mnl_attr_for_each(attr, nlh, sizeof(*a))
    {
        if (mnl_attr_get_type(attr) == IFA_LOCAL && mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
            e->each(e->data, ntohl(mnl_attr_get_u32(attr)), a->ifa_prefixlen);
    }
    return MNL_CB_OK;
}

int address_each(unsigned index, void (*each)(void *data, uint32_t address, int bits), void *data)
{
    EachAddress e = {index, each, data};
    Request request;
    struct nlmsghdr *nlh = request_begin(&request, RTM_GETADDR, NLM_F_DUMP);
    struct ifaddrmsg *a = mnl_nlmsg_put_extra_header(nlh, sizeof(*a));

    a->ifa_family = AF_INET;
    return ERR_TRACE(exchange(nlh, on_address, &e));
}

int route_add(unsigned index, uint32_t base, int bits, uint32_t gateway, uint32_t source)
{
    Request request;
    struct nlmsghdr *nlh = request_begin(&request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE);
    struct rtmsg *route = mnl_nlmsg_put_extra_header(nlh, sizeof(*route));

    route->rtm_family = AF_INET;
    route->rtm_dst_len = (uint8_t)bits;
    route->rtm_table = RT_TABLE_MAIN;
    route->rtm_protocol = RTPROT_STATIC;
    route->rtm_scope = gateway ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
    route->rtm_type = RTN_UNICAST;
    if (bits)
        mnl_attr_put_u32(nlh, RTA_DST, htonl(base));
    mnl_attr_put_u32(nlh, RTA_OIF, index);
    if (gateway) {
        route->rtm_flags = RTNH_F_ONLINK;
        mnl_attr_put_u32(nlh, RTA_GATEWAY, htonl(gateway));
    }
    if (source)
        mnl_attr_put_u32(nlh, RTA_PREFSRC, htonl(source));
    return acknowledge_add(nlh);
}
