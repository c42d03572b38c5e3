#!/bin/busybox sh
# The first process of the guest: puts a writable view of the machine's root together and enters it.
# Modules are loaded in the order of their names; the machine's root and the job come over 9p.

die() {
	echo "usbfs2-vm: $*"
	/bin/busybox poweroff -f
}

bb=/bin/busybox
$bb mount -t proc proc /proc
$bb mount -t sysfs sys /sys
$bb mount -t devtmpfs dev /dev
for module in /modules/*.ko; do
	# A kernel may have all of them built in.
	[ -e "$module" ] || continue
	$bb insmod "$module" || die "cannot load $module"
done

share=trans=virtio,version=9p2000.L,msize=512000
# Nothing else writes the guest's view, so pages and names may be cached for the whole boot.
$bb mount -t 9p -o "ro,cache=loose,$share" root /lower || die "cannot mount the machine's root"
$bb mount -t tmpfs -o size=75%,mode=755 upper /upper || die "cannot mount a tmpfs"
$bb mkdir /upper/files /upper/work
$bb mount -t overlay -o lowerdir=/lower,upperdir=/upper/files,workdir=/upper/work overlay /sysroot ||
	die "cannot mount the overlay"

for directory in proc sys dev; do
	$bb mkdir -p "/sysroot/$directory"
	$bb mount --move "/$directory" "/sysroot/$directory"
done
$bb mkdir -p /sysroot/run
$bb mount -t tmpfs -o mode=755 run /sysroot/run
$bb mkdir /sysroot/run/usbfs2-vm
$bb mount -t 9p -o "rw,cache=none,$share" job /sysroot/run/usbfs2-vm || die "cannot mount the job's directory"
exec $bb switch_root /sysroot /bin/sh /run/usbfs2-vm/guest.sh
