"""What every script begins with: system call numbers and the two words it may end with. Needs only perl-base."""

from __future__ import annotations

import platform

_X86_64 = {
    "acct": 163, "add_key": 248, "bpf": 321, "capset": 126, "chroot": 161, "clock_gettime": 228, "clock_settime": 227,
    "clone": 56, "fanotify_init": 300, "inotify_add_watch": 254, "inotify_init1": 294, "ioctl": 16, "kcmp": 312,
    "memfd_create": 319, "mknodat": 259, "mount": 165, "mq_open": 240, "name_to_handle_at": 303,
    "open_by_handle_at": 304, "perf_event_open": 298, "personality": 135, "pivot_root": 155, "prctl": 157,
    "process_vm_readv": 310, "ptrace": 101, "renameat2": 316, "sched_setscheduler": 144, "setdomainname": 171,
    "sethostname": 170, "setns": 308, "setrlimit": 160, "shmctl": 31, "shmget": 29, "syslog": 103, "umount2": 166,
    "unshare": 272, "userfaultfd": 323, "mmap": 9,
}  # fmt: skip
_AARCH64 = {
    "acct": 89, "add_key": 217, "bpf": 280, "capset": 91, "chroot": 51, "clock_gettime": 113, "clock_settime": 112,
    "clone": 220, "fanotify_init": 262, "inotify_add_watch": 27, "inotify_init1": 26, "ioctl": 29, "kcmp": 272,
    "memfd_create": 279, "mknodat": 33, "mount": 40, "mq_open": 180, "name_to_handle_at": 264,
    "open_by_handle_at": 265, "perf_event_open": 241, "personality": 92, "pivot_root": 41, "prctl": 167,
    "process_vm_readv": 270, "ptrace": 117, "renameat2": 276, "sched_setscheduler": 119, "setdomainname": 162,
    "sethostname": 161, "setns": 268, "setrlimit": 164, "shmctl": 195, "shmget": 194, "syslog": 116, "umount2": 39,
    "unshare": 97, "userfaultfd": 282, "mmap": 222,
}  # fmt: skip
_EVERYWHERE = {"io_uring_setup": 425, "open_tree": 428, "fsopen": 430, "pidfd_open": 434, "clone3": 435,
               "pidfd_getfd": 438}  # fmt: skip
NUMBERS = {**{"x86_64": _X86_64, "aarch64": _AARCH64}[platform.machine()], **_EVERYWHERE}

PRELUDE = (
    """use strict; no warnings; use Socket; use POSIX (); use Fcntl;
$| = 1;
my $MARKER = $ENV{MARKER};
my %NR = ("""
    + ",".join(f"{name}=>{number}" for name, number in NUMBERS.items())
    + r""");
sub claim { my $t = join(' ', @_); open(my $f, '>', 'work/claim') or print "no claim: $!\n"; print $f $t; close $f;
            print "$t\n"; exit 0 }
sub through { claim('[through]', @_) }
sub refused { claim('[refused]', @_) }
sub judge { $_[0] ? through($_[1]) : refused("$_[1]: $!") }
sub call { my $n = shift; syscall($NR{$n} // die("no number of $n"), map { my $x = $_; $x } @_) }
sub works { call(@_) >= 0 }
sub slurp { open(my $f, '<', $_[0]) or return undef; local $/; my $t = <$f>; $t }
sub nap { select(undef, undef, undef, $_[0]) }
"""
)
