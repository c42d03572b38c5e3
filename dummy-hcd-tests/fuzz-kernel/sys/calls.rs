//! The calls, and what their arguments mean.

use libc::{
    SYS_chmod, SYS_chown, SYS_close, SYS_copy_file_range, SYS_dup, SYS_epoll_ctl, SYS_epoll_wait,
    SYS_fadvise64, SYS_fallocate, SYS_fchmod, SYS_fchown, SYS_fcntl, SYS_fdatasync, SYS_fgetxattr,
    SYS_flock, SYS_fsetxattr, SYS_fstatfs, SYS_fsync, SYS_ftruncate, SYS_getdents64,
    SYS_inotify_add_watch, SYS_io_cancel, SYS_io_destroy, SYS_io_getevents, SYS_io_setup,
    SYS_io_submit, SYS_ioctl, SYS_link, SYS_listxattr, SYS_lseek, SYS_madvise, SYS_mkdir,
    SYS_mknod, SYS_mlock, SYS_mmap, SYS_mprotect, SYS_mremap, SYS_msync, SYS_munmap,
    SYS_name_to_handle_at, SYS_newfstatat, SYS_open, SYS_openat, SYS_poll, SYS_pread64,
    SYS_preadv2, SYS_pwrite64, SYS_pwritev2, SYS_read, SYS_readahead, SYS_readv, SYS_rename,
    SYS_rmdir, SYS_sendfile, SYS_setxattr, SYS_splice, SYS_statfs, SYS_statx, SYS_symlink,
    SYS_sync_file_range, SYS_tee, SYS_truncate, SYS_unlink, SYS_utimensat, SYS_vmsplice, SYS_write,
    SYS_writev,
};

/// What an argument is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A descriptor: mostly of the mount.
    File,
    /// Memory that holds anything.
    Memory,
    /// Memory that holds a path: mostly of the mount.
    Path,
    /// Memory that holds iovecs.
    Vectors,
    /// Memory that holds a text which a file may understand.
    Text,
    /// Memory that holds pollfds.
    Polls,
    /// Memory that holds pointers to iocbs, which are there as well.
    Iocbs,
    /// A pointer to one of those iocbs.
    Iocb,
    /// An AIO context.
    Context,
    /// Memory for one.
    ContextPlace,
    /// A number of bytes.
    Length,
    /// A number of things.
    Count,
    /// A place in a file: a setup packet, flags, or nonsense.
    Offset,
    /// A mapping of a file.
    Mapping,
    /// The epoll descriptor, the one of inotify, and those of a pipe.
    Epoll,
    Inotify,
    Pipe,
    /// A length to map, and where in the file.
    Pages,
    MapOffset,
    /// One of these, or several of them at once, or nonsense.
    Of(&'static [i64]),
    /// Exactly this.
    Just(i64),
}

/// A call.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) name: &'static str,
    pub(crate) number: libc::c_long,
    pub(crate) arguments: &'static [Kind],
    /// How often, of all.
    pub(crate) share: usize,
}

use Kind::{
    Context, ContextPlace, Count, Epoll, File, Inotify, Iocb, Iocbs, Just, Length, MapOffset,
    Mapping, Memory, Of, Offset, Pages, Path, Pipe, Polls, Text, Vectors,
};

/// O_RDONLY, O_WRONLY, O_RDWR, O_NONBLOCK, O_TRUNC, O_PATH, O_APPEND, O_DIRECT, O_DIRECTORY, O_CREAT, O_EXCL.
const OPEN: &[i64] = &[
    0,
    1,
    2,
    0o4000,
    0o1000,
    0o10_000_000,
    0o2000,
    0o40_000,
    0o200_000,
    0o100,
    0o200,
];
/// RWF_HIPRI, DSYNC, SYNC, NOWAIT, APPEND, NOAPPEND, ATOMIC.
const RWF: &[i64] = &[0, 0, 0, 1, 2, 4, 8, 16, 32, 64];
const MODES: &[i64] = &[0, 0o600, 0o644, 0o666, 0o777, 0o7777];
const IDS: &[i64] = &[0, 65_534, 1000, -1];
const AT_CWD: i64 = -100;
/// F_DUPFD, F_GETFL, F_SETFL, F_SETLK, F_SETPIPE_SZ, F_GETPIPE_SZ, F_SETLEASE, F_NOTIFY, F_DUPFD_CLOEXEC, F_ADD_SEALS,
/// F_SET_RW_HINT. Not F_SETOWN, which sends signals to any process.
const FCNTL: &[i64] = &[0, 3, 4, 4, 4, 6, 1031, 1032, 1024, 1026, 1030, 1033, 1036];
/// FIONREAD, FIONBIO, FIOASYNC, FIOQSIZE, TCGETS, FIBMAP, FS_IOC_GETFLAGS, FICLONE, USBDEVFS_RESET, _CLAIMINTERFACE,
/// _SUBMITURB, _REAPURBNDELAY, FIFREEZE.
const IOCTLS: &[i64] = &[
    0x541b,
    0x5421,
    0x5452,
    0x5460,
    0x5401,
    1,
    0x8008_6601,
    0x4004_9409,
    0x5514,
    0x8004_550f,
    0x8038_550a,
    0x4008_550d,
    0xc004_5877,
];

const fn call(
    name: &'static str,
    number: libc::c_long,
    share: usize,
    arguments: &'static [Kind],
) -> Call {
    Call {
        name,
        number,
        arguments,
        share,
    }
}

/// Every one that is made.
pub(crate) const CALLS: &[Call] = &[
    call("open", SYS_open, 60, &[Path, Of(OPEN), Of(MODES)]),
    call("openat", SYS_openat, 10, &[File, Path, Of(OPEN), Of(MODES)]),
    call("close", SYS_close, 40, &[File]),
    call("read", SYS_read, 20, &[File, Memory, Length]),
    call("write", SYS_write, 12, &[File, Memory, Length]),
    call(
        "write of text",
        SYS_write,
        25,
        &[File, Text, Of(&[1, 2, 4, 5, 6, 7, 8, 16, 64])],
    ),
    call("readv", SYS_readv, 8, &[File, Vectors, Count]),
    call("writev", SYS_writev, 8, &[File, Vectors, Count]),
    call("pread", SYS_pread64, 30, &[File, Memory, Length, Offset]),
    call("pwrite", SYS_pwrite64, 30, &[File, Memory, Length, Offset]),
    call(
        "preadv2",
        SYS_preadv2,
        15,
        &[File, Vectors, Count, Offset, Just(0), Of(RWF)],
    ),
    call(
        "pwritev2",
        SYS_pwritev2,
        15,
        &[File, Vectors, Count, Offset, Just(0), Of(RWF)],
    ),
    call("lseek", SYS_lseek, 6, &[File, Offset, Of(&[0, 1, 2, 3, 4])]),
    call(
        "mmap",
        SYS_mmap,
        20,
        &[
            Just(0),
            Pages,
            Of(&[0, 1, 2, 3, 3, 3]),
            Of(&[1, 1, 1, 2, 3, 0x2001, 0x8001]),
            File,
            MapOffset,
        ],
    ),
    call("munmap", SYS_munmap, 12, &[Mapping, Length]),
    call(
        "mremap",
        SYS_mremap,
        6,
        &[Mapping, Length, Length, Of(&[0, 1])],
    ),
    call(
        "mprotect",
        SYS_mprotect,
        6,
        &[Mapping, Length, Of(&[0, 1, 2, 3, 3])],
    ),
    call(
        "madvise",
        SYS_madvise,
        8,
        &[
            Mapping,
            Length,
            Of(&[0, 3, 4, 8, 9, 10, 11, 12, 14, 16, 20, 21, 22, 23]),
        ],
    ),
    call("mlock", SYS_mlock, 2, &[Mapping, Length]),
    call("msync", SYS_msync, 2, &[Mapping, Length, Of(&[1, 2, 4])]),
    call(
        "fadvise",
        SYS_fadvise64,
        12,
        &[File, Offset, Length, Of(&[0, 1, 2, 3, 4, 4, 4, 5])],
    ),
    call("fsync", SYS_fsync, 6, &[File]),
    call("fdatasync", SYS_fdatasync, 3, &[File]),
    call(
        "sync_file_range",
        SYS_sync_file_range,
        2,
        &[File, Offset, Length, Of(&[1, 2, 4])],
    ),
    call("readahead", SYS_readahead, 2, &[File, Offset, Length]),
    call(
        "fcntl",
        SYS_fcntl,
        12,
        &[
            File,
            Of(FCNTL),
            Of(&[0, 1, 0o4000, 0o2000, 0o20_000, 4096, 1 << 20]),
        ],
    ),
    call(
        "fcntl with memory",
        SYS_fcntl,
        3,
        &[File, Of(FCNTL), Memory],
    ),
    call("ioctl", SYS_ioctl, 12, &[File, Of(IOCTLS), Memory]),
    call("flock", SYS_flock, 3, &[File, Of(&[5, 6, 8])]),
    call("dup", SYS_dup, 8, &[File]),
    call("poll", SYS_poll, 10, &[Polls, Count, Of(&[0, 1, 5])]),
    call(
        "io_setup",
        SYS_io_setup,
        4,
        &[Of(&[1, 16, 64, 0]), ContextPlace],
    ),
    call("io_submit", SYS_io_submit, 40, &[Context, Count, Iocbs]),
    call("io_cancel", SYS_io_cancel, 25, &[Context, Iocb, Memory]),
    call(
        "io_getevents",
        SYS_io_getevents,
        20,
        &[Context, Just(0), Count, Memory, Just(0)],
    ),
    call("io_destroy", SYS_io_destroy, 2, &[Context]),
    call(
        "epoll_ctl",
        SYS_epoll_ctl,
        8,
        &[Epoll, Of(&[1, 1, 2, 3]), File, Memory],
    ),
    call(
        "epoll_wait",
        SYS_epoll_wait,
        4,
        &[Epoll, Memory, Count, Of(&[0, 1])],
    ),
    call(
        "splice",
        SYS_splice,
        10,
        &[File, Just(0), Pipe, Just(0), Length, Of(&[0, 1, 2, 4])],
    ),
    call(
        "splice from a pipe",
        SYS_splice,
        5,
        &[Pipe, Just(0), File, Just(0), Length, Of(&[0, 1, 2, 4])],
    ),
    call(
        "splice at a place",
        SYS_splice,
        4,
        &[File, Memory, File, Just(0), Length, Of(&[0, 1, 2, 4])],
    ),
    call("tee", SYS_tee, 2, &[Pipe, File, Length, Of(&[0, 2])]),
    call(
        "vmsplice",
        SYS_vmsplice,
        3,
        &[Pipe, Vectors, Count, Of(&[0, 2, 8])],
    ),
    call("sendfile", SYS_sendfile, 8, &[File, File, Just(0), Length]),
    call(
        "copy_file_range",
        SYS_copy_file_range,
        4,
        &[File, Just(0), File, Just(0), Length, Just(0)],
    ),
    call("fchmod", SYS_fchmod, 6, &[File, Of(MODES)]),
    call("fchown", SYS_fchown, 4, &[File, Of(IDS), Of(IDS)]),
    call("chmod", SYS_chmod, 6, &[Path, Of(MODES)]),
    call("chown", SYS_chown, 4, &[Path, Of(IDS), Of(IDS)]),
    call(
        "utimensat",
        SYS_utimensat,
        2,
        &[Just(AT_CWD), Path, Just(0), Just(0)],
    ),
    call(
        "inotify_add_watch",
        SYS_inotify_add_watch,
        6,
        &[Inotify, Path, Of(&[1, 2, 4, 0x100, 0x200, 0xfff])],
    ),
    call("rename", SYS_rename, 3, &[Path, Path]),
    call("unlink", SYS_unlink, 3, &[Path]),
    call("rmdir", SYS_rmdir, 2, &[Path]),
    call("mkdir", SYS_mkdir, 2, &[Path, Of(MODES)]),
    call("link", SYS_link, 2, &[Path, Path]),
    call("symlink", SYS_symlink, 2, &[Path, Path]),
    call(
        "mknod",
        SYS_mknod,
        2,
        &[Path, Of(&[0o010_600, 0o100_600, 0o020_600]), Just(0)],
    ),
    call("truncate", SYS_truncate, 3, &[Path, Offset]),
    call("ftruncate", SYS_ftruncate, 3, &[File, Offset]),
    call(
        "fallocate",
        SYS_fallocate,
        2,
        &[File, Of(&[0, 1, 2, 8, 16]), Offset, Length],
    ),
    call(
        "setxattr",
        SYS_setxattr,
        2,
        &[Path, Text, Memory, Length, Just(0)],
    ),
    call(
        "fsetxattr",
        SYS_fsetxattr,
        2,
        &[File, Text, Memory, Length, Just(0)],
    ),
    call("fgetxattr", SYS_fgetxattr, 2, &[File, Text, Memory, Length]),
    call("listxattr", SYS_listxattr, 2, &[Path, Memory, Length]),
    call("statfs", SYS_statfs, 2, &[Path, Memory]),
    call("fstatfs", SYS_fstatfs, 2, &[File, Memory]),
    call(
        "stat",
        SYS_newfstatat,
        4,
        &[Just(AT_CWD), Path, Memory, Of(&[0, 0x100])],
    ),
    call(
        "statx",
        SYS_statx,
        2,
        &[File, Path, Of(&[0, 0x1000]), Of(&[0xfff]), Memory],
    ),
    call("getdents", SYS_getdents64, 8, &[File, Memory, Length]),
    call(
        "name_to_handle_at",
        SYS_name_to_handle_at,
        1,
        &[Just(AT_CWD), Path, Memory, Memory, Just(0)],
    ),
];
