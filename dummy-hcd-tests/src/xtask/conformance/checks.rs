//! What is asked of a disk, and what a USB disk need not do.

/// A command of sg3-utils. `$disk` is the disk.
pub(super) struct Check {
    pub(super) line: &'static str,
    pub(super) expected: Expected,
}

/// What our disk does with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    Pass,
    /// It refuses the command as unknown, and rightly.
    NotApplicable(&'static str),
}

const fn passes(line: &'static str) -> Check {
    Check {
        line,
        expected: Expected::Pass,
    }
}

const fn refused(line: &'static str, reason: &'static str) -> Check {
    Check {
        line,
        expected: Expected::NotApplicable(reason),
    }
}

/// The programs of sg3-utils that speak to disks. What they exit with is their verdict.
pub(super) const SG3_UTILS: &[Check] = &[
    passes("sg_inq $disk"),
    passes("sg_inq --vpd --page=0x00 $disk"),
    passes("sg_inq --vpd --page=0x80 $disk"),
    passes("sg_inq --vpd --page=0x83 $disk"),
    passes("sg_vpd --page=bl $disk"),
    passes("sg_vpd --page=bdc $disk"),
    passes("sg_vpd --all $disk"),
    passes("sg_turs --number=16 $disk"),
    passes("sg_requests $disk"),
    passes("sg_requests --desc $disk"),
    passes("sg_luns --decode $disk"),
    passes("sg_readcap $disk"),
    passes("sg_readcap --16 $disk"),
    passes("sg_modes --all $disk"),
    passes("sg_modes --six --all $disk"),
    passes("sg_modes --page=0x08 --control=1 $disk"),
    passes("sg_opcodes $disk"),
    passes("sg_opcodes --rctd $disk"),
    passes("sg_opcodes --opcode=0x9e,0x10 $disk"),
    passes("sg_senddiag --test $disk"),
    passes("sg_verify --count=128 $disk"),
    passes("sg_verify --16 --lba=1000 --count=128 $disk"),
    passes("sg_sync $disk"),
    passes("sg_sync --16 --lba=8 --count=8 $disk"),
    passes("sg_start --stop $disk"),
    passes("sg_start --start $disk"),
    passes("sg_dd if=/dev/urandom of=$disk bs=512 count=256 fua=3"),
    passes("sg_dd if=$disk of=/dev/shm/six bs=512 count=256 cdbsz=6"),
    passes("sg_dd if=$disk of=/dev/shm/ten bs=512 count=256 cdbsz=10"),
    passes("sg_dd if=$disk of=/dev/shm/twelve bs=512 count=256 cdbsz=12"),
    passes("sg_dd if=$disk of=/dev/shm/sixteen bs=512 count=256 cdbsz=16"),
    passes(
        "cmp /dev/shm/six /dev/shm/ten && cmp /dev/shm/ten /dev/shm/twelve && cmp /dev/shm/ten /dev/shm/sixteen",
    ),
    passes("sg_dd if=/dev/shm/ten of=$disk bs=512 count=256 seek=512 cdbsz=6"),
    passes("sg_dd if=/dev/shm/ten of=$disk bs=512 count=256 seek=1024 cdbsz=12"),
    passes("sg_dd if=/dev/shm/ten of=$disk bs=512 count=256 seek=1536 cdbsz=16"),
    passes(
        "sg_dd if=$disk of=/dev/shm/back bs=512 count=256 skip=1536 && cmp /dev/shm/ten /dev/shm/back",
    ),
    passes("sg_verify --lba=512 --count=128 --ndo=65536 --in=/dev/shm/ten $disk"),
    passes("scsi_mandat $disk"),
    // The reset leaves a unit attention, which the command after it must be told.
    passes("sg_reset --device $disk; sg_turs $disk; test $? = 6 && sg_turs $disk"),
    refused("sg_prevent --prevent=1 $disk", FIXED),
    refused("sg_logs $disk", "a stick keeps no logs"),
    refused(
        "sg_ident $disk",
        "names that hosts give to units are for arrays",
    ),
    refused(
        "sg_read_buffer $disk",
        "there is no buffer to test a SCSI bus with",
    ),
    refused("sg_rtpg $disk", "there is one port"),
    refused(
        "sg_persist --in --read-keys $disk",
        "there is one host, nobody to reserve against",
    ),
    refused("sg_write_same --lba=8 --num=8 $disk", UNMAP),
    refused("sg_seek --lba=1 $disk", "nothing moves"),
    refused(
        "sg_compare_and_write --lba=0 --num=1 --in=/dev/shm/ten $disk",
        CLUSTERS,
    ),
];

const UNMAP: &str =
    "usb-storage never asks a Bulk-Only disk whether it can unmap, no more do other hosts' drivers";
const CLUSTERS: &str = "for machines that share a disk; a stick has one host";
const FIXED: &str = "this disk is fixed; the gadget's own tests lock, eject and change the medium of a removable one";
const NOBODY: &str = "there is one host, nobody to reserve against";
const COPY: &str = "copies within an array; a stick's host copies";
const ISCSI: &str = "queues commands on iSCSI; Bulk-Only has one command at a time";
const REWRITE: &str = "hosts write, and verify where they want to, with two commands";

/// Why tests of libiscsi's that skip themselves, or parts, on a disk do so rightly, by the beginning of their names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reasons {
    all: &'static [(&'static str, &'static str)],
    /// Where what is not skipped is a test of its own.
    parts: &'static [(&'static str, &'static str)],
}

impl Reasons {
    pub(super) fn for_all(self, name: &str) -> Option<&'static str> {
        let reason = self.all.iter().find(|(start, _)| name.starts_with(start));
        reason.map(|(_, reason)| *reason)
    }

    pub(super) fn for_a_part(self, name: &str) -> Option<&'static str> {
        let part = self.parts.iter().find(|(start, _)| name.starts_with(start));
        part.map(|(_, reason)| *reason)
    }
}

/// On a fixed disk that can be written.
pub(super) const WRITABLE: Reasons = Reasons {
    all: SKIPPED,
    parts: &[
        (
            "Inquiry.BlockLimits",
            "the page is there and as long as it says; what follows is about UNMAP",
        ),
        (
            "ReportSupportedOpcodes.OneCommand",
            "it asks with a service action for a command without one, and without a field pointer in the \
             sense data takes the refusal (SPC-4 6.35) for REPORT SUPPORTED OPERATION CODES missing",
        ),
    ],
};

/// On one that is write-protected nothing may skip itself whole.
pub(super) const WRITE_PROTECTED: Reasons = Reasons {
    all: &[],
    parts: &[(
        "ReadOnly.",
        "the commands it skips do not apply, see above; writes are refused",
    )],
};

const SKIPPED: &[(&str, &str)] = &[
    ("CompareAndWrite.", CLUSTERS),
    ("ExtendedCopy.", COPY),
    ("GetLBAStatus.", UNMAP),
    (
        "OrWrite.",
        "for bitmaps that machines share; a stick has one host",
    ),
    (
        "ModeSense6.Control-SWP",
        "write protection is the medium's or the switch's, not for a host to set",
    ),
    ("NoMedia.", FIXED),
    ("Prefetch10.", "there is no cache of the unit's own to fill"),
    ("Prefetch16.", "there is no cache of the unit's own to fill"),
    ("PreventAllow.", FIXED),
    ("Prin", NOBODY),
    ("Prout", NOBODY),
    ("ReadDefectData", "flash and files have no list of defects"),
    (
        "ReadOnly.",
        "the test wants a write-protected disk; it has one below",
    ),
    ("ReceiveCopyResults.", COPY),
    ("Reserve6.", NOBODY),
    (
        "Sanitize.",
        "the medium is a file; erasing it for good is its owner's business",
    ),
    ("StartStopUnit.", FIXED),
    ("Unmap.", UNMAP),
    (
        "WriteAtomic16.",
        "what a file is written with can be torn by a loss of power",
    ),
    ("WriteSame", UNMAP),
    ("WriteVerify", REWRITE),
    ("MultipathIO.", "there is one path to a stick"),
    ("Read10.Async", ISCSI),
    ("Write10.Async", ISCSI),
];
