# Runs in the guest on the machine's own root, as process 1: loads what the job needs, runs its command
# and leaves the exit status and the kernel's log in the job's directory.
# The variables of job.env are written by the harness.

job=/run/usbfs2-vm
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
. $job/job.env

# A debug kernel's last words. What is still allocated once nothing uses the module is lost; what is younger than
# five seconds, or was not seen by a scan before, does not count to kmemleak.
examine() {
	kmemleak=/sys/kernel/debug/kmemleak
	[ -e $kmemleak ] || return
	if [ -n "$MODULE" ] && grep -q ^usbfs2 /proc/modules; then
		grep -q ' /dev/usbfs2 ' /proc/mounts && umount /dev/usbfs2
		rmmod usbfs2 || echo "usbfs2-vm: BUG: usbfs2 is in use when everything is over" >/dev/kmsg
	fi
	sleep 6
	echo scan >$kmemleak
	sleep 1
	echo scan >$kmemleak
	cat $kmemleak >$job/kmemleak
	cat /proc/lockdep_stats >$job/lockdep_stats
}

finish() {
	examine
	dmesg >$job/dmesg
	echo "$1" >$job/status
	sync
	echo o >/proc/sysrq-trigger
	while :; do sleep 1; done
}

fail() {
	echo "usbfs2-vm: $*" >&2
	echo "$*" >$job/failure
	finish 70
}

port() {
	for name in /sys/class/virtio-ports/*/name; do
		if [ "$(cat "$name")" = "$1" ]; then
			name=${name%/name}
			echo "/dev/${name##*/}"
			return
		fi
	done
}

mkdir -p /dev/pts /dev/shm /lib/modules/"$RELEASE"
mount -t devpts devpts /dev/pts
mount -t tmpfs -o mode=1777 shm /dev/shm
ln -sf /proc/self/fd /dev/fd
ln -sf /proc/self/fd/0 /dev/stdin
ln -sf /proc/self/fd/1 /dev/stdout
ln -sf /proc/self/fd/2 /dev/stderr
mount --bind "$MODULES" /lib/modules/"$RELEASE" || fail "cannot show the kernel's modules"
# What a module is built against, DKMS's for one.
ln -sfn "${MODULES%/lib/modules/*}/usr/src/linux-headers-$RELEASE" /lib/modules/"$RELEASE"/build
hostname usbfs2-vm
ip link set lo up 2>/dev/null
mount -t debugfs debugfs /sys/kernel/debug

# Emulation is slow and the machine may be busy: what is stuck for a minute is stuck.
echo 60 >/proc/sys/kernel/hung_task_timeout_secs
echo 60 >/proc/sys/kernel/watchdog_thresh
echo 1 >/proc/sys/kernel/hung_task_all_cpu_backtrace

# There is no udev to load what a device asks for.
modprobe -a virtio_console libcomposite gadgetfs usb_storage sd_mod usbhid hid_generic evdev vfat ||
	fail "cannot load the kernel's own modules"
mount -t configfs configfs /sys/kernel/config || fail "cannot mount configfs"
load_dummy_hcd() {
	if [ -z "$DUMMY_HCD" ]; then
		modprobe dummy_hcd "$@"
	else
		modprobe -a snd-usb-audio usb_f_uac1 usb_f_uac2 && insmod "$DUMMY_HCD" "$@"
	fi
}
load_dummy_hcd num="$BUSES" is_super_speed="$SUPER_SPEED" is_high_speed="$HIGH_SPEED" ||
	fail "cannot load dummy_hcd"
for controller in $CONTROLLERS; do
	case $controller in
	uhci) modprobe uhci_hcd ;;
	*) modprobe "${controller}_pci" ;;
	esac || fail "cannot load the driver of $controller"
done
if [ -n "$MODULE" ]; then
	insmod "$MODULE" || fail "cannot load $MODULE"
	mkdir -p /dev/usbfs2
	mount -t usbfs2 usbfs2 /dev/usbfs2 || fail "cannot mount usbfs2"
fi

export USBFS2_PATIENCE="$PATIENCE"
# For the tests that unload the module and load it again.
export USBFS2_MODULE="$MODULE"
# For those that plug QEMU's devices.
if [ -n "$CONTROLLERS" ]; then
	export USBFS2_MEDIA=$job/media
	USBFS2_QMP=$(port usbfs2.qmp)
	export USBFS2_QMP
	[ -n "$USBFS2_QMP" ] || fail "the port to QEMU's monitor is missing"
	USBFS2_USBREDIR=$(port usbfs2.usbredir)
	export USBFS2_USBREDIR
	[ -n "$USBFS2_USBREDIR" ] || fail "the port to QEMU's usb-redir is missing"
fi
cd "$DIRECTORY" || fail "cannot enter $DIRECTORY"
out=$(port usbfs2.stdout)
err=$(port usbfs2.stderr)
in=$(port usbfs2.stdin)
[ -n "$out" ] && [ -n "$err" ] && [ -n "$in" ] || fail "the harness's ports are missing"
echo "usbfs2-vm: ready after $(cut -d ' ' -f 1 /proc/uptime) s" >/dev/kmsg
: >$job/started
setsid bash $job/command.sh <"$in" >"$out" 2>"$err"
finish $?
