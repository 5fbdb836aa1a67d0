# The switch of a site: a bridge in a network namespace of its own that holds no other way out. It ends as the program
# that records every packet for an address that is not the site's.
set -eu
if [ -z "${IS_INSIDE:-}" ]; then IS_INSIDE=yes exec unshare --net bash "$0"; fi
sysctl --quiet net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 net.ipv4.ip_forward=0
ip link set lo up
# An address of its own, or it would take that of a port and forget its neighbors whenever a machine is plugged in.
ip link add switch address 02:10:99:ff:ff:fe type bridge stp_state 0 forward_delay 0 mcast_snooping 0
ip address add "$GATEWAY/24" dev switch
# A bridge without a port has no carrier and would drop the marker packets that prove the recording works.
ip link add idle0 type veth peer name idle1
ip link set idle0 master switch up
ip link set idle1 up
ip link set switch up
ip route add "$MARKER/32" dev switch
ip neighbour add "$MARKER" lladdr 02:10:99:ff:ff:ff nud permanent dev switch
exec tcpdump --interface=switch --immediate-mode --packet-buffered -Z root -n -s 128 -w "$CAPTURE" "$FILTER"
