#!/bin/bash
# Puts a disk through sg3-utils and libiscsi's tests, through the kernel's usb-storage. For the guest:
#     guest.sh COMMAND CHECKS
# CHECKS has a line for each check: its number and the command. What came of them goes to the results.
set -eu
command=$1 checks=$2
report=$USBFS2_VM_RESULTS/report
image=/dev/shm/conformance.img
modprobe -a sg gadgetfs

# until_true COMMAND...: waits for it; the limit only ends a wait in vain.
until_true() {
	local since=$SECONDS
	until "$@"; do
		if ((SECONDS - since > 120)); then
			echo "waited in vain for: $*" >&2
			exit 1
		fi
		sleep 0.1
	done
}

has_disk() { [ -n "$(ls -d /sys/class/scsi_generic/sg*/device/block/* 2>/dev/null)" ]; }
has_none() { ! has_disk; }

plug() {
	truncate -s 0 $image
	truncate -s 64M $image
	"$command" gadget disk --image $image ${1:+--read-only} 2>/dev/null &
	until_true has_disk
	local node
	node=$(ls -d /sys/class/scsi_generic/sg*/device/block/*)
	node=${node%/device/block/*}
	# A test's READ (6) moves more than the 120 KiB that usb-storage does at a time by default.
	echo 1024 >"$node/device/max_sectors"
	disk=/dev/${node##*/}
}

unplug() {
	kill %%
	wait || true
	until_true has_none
}

plug
while read -r number line; do
	status=0
	said=$(eval "$line" 2>&1 </dev/null) || status=$?
	printf 'check %s %s\n' "$number" "$status" >>"$report"
	printf '$ %s\n%s\n-> %s\n' "$line" "$said" "$status" >>"$report.sg"
done <"$checks"
printf 'iscsi\n' >>"$report"
iscsi-test-cu --dataloss --Verbose-scsi --test=SCSI "$disk" >>"$report" 2>&1 </dev/null || true
unplug
plug read-only
printf 'iscsi read-only\n' >>"$report"
iscsi-test-cu --dataloss --Verbose-scsi --test=SCSI.ReadOnly "$disk" >>"$report" 2>&1 </dev/null || true
unplug
