#!/bin/sh
# Asks a USB disk who it is, with printf, dd and the disk's endpoint files: one SCSI INQUIRY over the
# Bulk-Only Transport (BOT 5.1, 5.2; SPC-4 6.6).
#
#   disk-inquiry.sh /dev/usbfs2/1-1/1.0
#
# Takes the disk away from usb-storage while it runs: unmount its file systems first.
set -eu

[ $# -eq 1 ] && [ -e "$1/driver" ] || {
	echo "usage: $0 INTERFACE    an interface's directory: $(ls -d /dev/usbfs2/*/*.* 2>/dev/null | tr '\n' ' ')" >&2
	exit 2
}
interface=$1
echo "driver before: $(cat "$interface/driver")"

# The claim lasts while descriptor 3 is open; usb-storage gets its interface back when this shell ends,
# however it ends.
exec 3<>"$interface/driver"
echo usbfs2 >&3

for file in "$interface"/ep*; do
	case ${file##*/ep} in
	00) ;;
	8?) in=$file ;;
	*) out=$file ;;
	esac
done
echo "endpoints: ${in##*/} ${out##*/}"

# Command block wrapper: signature, tag "sh\1\0", 36 bytes to come, direction in, unit 0, 6 bytes of
# command, and INQUIRY for 36 bytes. One write is one transfer, so dd gathers its input first.
printf 'USBCsh\001\000\044\000\000\000\200\000\006\022\000\000\000\044\000\000\000\000\000\000\000\000\000\000\000' |
	dd of="$out" bs=31 iflag=fullblock status=none

answer=$(mktemp)
trap 'rm -f "$answer"' EXIT
dd if="$in" of="$answer" bs=36 count=1 status=none
# Command status wrapper: signature, the same tag, residue, status.
status=$(dd if="$in" bs=13 count=1 status=none | od -An -tx1 | tr -d ' \n')

case $status in
555342537368010000000000*) ;;
*) echo "the disk answered $status, which is no status of this command" >&2; exit 1 ;;
esac
[ "${status#????????????????????????}" = 00 ] || { echo "the disk failed the command" >&2; exit 1; }
echo "vendor: $(dd if="$answer" bs=1 skip=8 count=8 status=none)"
echo "product: $(dd if="$answer" bs=1 skip=16 count=16 status=none)"
