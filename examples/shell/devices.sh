#!/bin/sh
# Lists USB devices from their files alone: identity, interfaces with their drivers, endpoints.
#
#   devices.sh [/dev/usbfs2]
set -eu

mount=${1:-/dev/usbfs2}
[ -e "$mount/events" ] || {
	echo "usbfs2 is not mounted at $mount: mount -t usbfs2 usbfs2 $mount" >&2
	exit 1
}
for device in "$mount"/*/; do
	device=${device%/}
	[ -e "$device/descriptors" ] || continue
	# idVendor and idProduct are little-endian words at bytes 8 and 10 (USB 2.0 9.6.1).
	set -- $(od -An -tx1 -j8 -N4 "$device/descriptors")
	echo "${device##*/}: $2$1:$4$3, configuration $(cat "$device/configuration")"
	for interface in "$device"/*.*/; do
		[ -e "$interface/driver" ] || continue
		driver=$(cat "$interface/driver")
		endpoints=$(cd "$interface" && echo ep*)
		interface=${interface%/}
		echo "  ${interface##*/}: alternate $(cat "$interface/alternate"), driver ${driver:-none}, $endpoints"
	done
done
