"""Using up what a machine has. All are bounded: in the control they are harmless to any machine."""

from __future__ import annotations

from tests.sandbox_escapes.attack import Attack
from tests.sandbox_escapes.pens import UNRIVALLED

_MIB = 'my $mib = "x" x (1 << 20);\n'

ATTACKS = [
    Attack(
        name="fork_bomb",
        script="""my @born; for (1 .. 100) { my $c = fork(); last if !defined $c; if (!$c) { sleep 5; POSIX::_exit(0) }
            push @born, $c } my $n = @born; kill 9, @born; waitpid($_, 0) for @born;
        $n > 64 ? through("$n children at a time") : refused("only $n children");""",
    ),
    Attack(
        name="memory_bomb",
        script="my $x = 'x' x (160 << 20); through('160 MiB of memory');",
        verdict="limit_exceeded",
        code="out_of_memory",
    ),
    Attack(
        name="memory_bomb_by_children",
        script="""my @born; for (1 .. 4) { my $c = fork(); if (!$c) { my $x = 'x' x (40 << 20); nap(2); POSIX::_exit(9) }
            push @born, $c } my $n = grep { waitpid($_, 0); $? == 9 << 8 } @born;
        $n == 4 ? through('160 MiB in four children') : refused("$n of 4 lived");""",
    ),
    Attack(
        name="memory_bomb_by_files_in_memory",
        script=_MIB
        + """my @held; for my $n (1 .. 32) { my $fd = call('memfd_create', "m$n", 0); open(my $f, '>&=', $fd);
            syswrite($f, $mib) for 1 .. 5; push @held, $f } through('160 MiB in files in memory');""",
        verdict="limit_exceeded",
        code="out_of_memory",
    ),
    Attack(
        name="disk_fill",
        script=_MIB
        + """for my $n (1 .. 4) { open(my $f, '>', "work/$n"); for (1 .. 5) { syswrite($f, $mib) == 1 << 20
            or refused($!) } } through('20 MiB in work/');""",
        expect=["file('work/1').size > 0"],
    ),
    Attack(
        name="disk_fill_beside_work",
        limits={"memory_mib": 256},
        script=_MIB
        + """my ($done, @made) = 0; for my $d ('/dev/shm', '/tmp', '/var/tmp', $ENV{HOME}, '/run') { for my $n (1 .. 16) {
            my $p = "$d/$MARKER-$n"; open(my $f, '>', $p) or next; push @made, $p;
            for (1 .. 5) { last if $done >= 80 || syswrite($f, $mib) != 1 << 20; $done++ } } }
        unlink @made; $done >= 80 ? through('80 MiB in temporary folders') : refused("$done MiB");""",
    ),
    Attack(
        name="inode_fill",
        script="""for my $n (1 .. 1500) { open(my $f, '>', "work/$n") or $n > 100 && do { unlink "work/$_" for 1 .. 50;
            refused("$n: $!") } } through('1,500 files');""",
    ),
    Attack(
        name="sparse_file",
        script="""$SIG{XFSZ} = 'IGNORE'; open(my $f, '>', 'work/huge'); judge(truncate($f, 1 << 40), 'a file of 1 TiB');""",
    ),
    Attack(
        name="large_file",
        limits={"work_mib": 32},
        script=_MIB
        + """$SIG{XFSZ} = 'IGNORE'; open(my $f, '>', 'work/large');
        for (1 .. 16) { syswrite($f, $mib) == 1 << 20 or refused($!) } through('a file of 16 MiB');""",
    ),
    Attack(
        name="raise_own_limits",
        script="judge(works('setrlimit', 1, pack('QQ', ~0, ~0)), 'files of any size');",
    ),
    Attack(
        name="core_dump",
        script="""call('setrlimit', 4, pack('QQ', 1 << 24, 1 << 24)); my $c = fork();
        if (!$c) { kill 'ABRT', $$; sleep 5 } waitpid($c, 0); $? & 128 ? through('a core dump') : refused("status $?");""",
    ),
    Attack(
        name="output_flood",
        limits={"output_killed_bytes": 4 << 20},
        stdout_bytes=32 << 20,
        script="for (1 .. 200_000) { print 'flood ' x 10, \"\\n\"; print STDERR 'flood' } through('13 MiB of output');",
        verdict="limit_exceeded",
        code="output_limit",
    ),
    Attack(
        name="gigabyte_line",
        stdout_bytes=1 << 31,
        # An eighth of it is more than anybody keeps, and bounded for the control.
        script=_MIB + "for (1 .. 128) { syswrite(STDOUT, $mib) } print \"\\n\"; through('128 MiB in one line');",
        verdict="limit_exceeded",
        code="output_limit",
    ),
    Attack(
        name="endless_step",
        seconds=1,
        script="$SIG{$_} = 'IGNORE' for keys %SIG; nap(0.1) for 1 .. 30; through('three seconds of one');",
        verdict="limit_exceeded",
        code="timeout",
    ),
    Attack(
        name="endless_background",
        seconds=3,
        script="""# What it leaves holds its standard output, so that a reader waits for an end that never comes.
        if (!fork()) { nap(0.1) for 1 .. 50; open(my $f, '>>', 'work/late'); print "[through]\\n"; exit 0 }
        refused('left somebody who talks');""",
    ),
    Attack(
        name="cpu_hog",
        limits={"cpus": 0.2},
        pen=UNRIVALLED,
        script="""my $best = 0; for (1 .. 6) { my ($w, $u) = (POSIX::times())[0, 1]; my ($wall, $used) = (0, 0);
            while ($wall < 30) { 1 for 1 .. 2000; my @t = POSIX::times(); $wall = $t[0] - $w; $used = $t[1] - $u }
            $best = $used / $wall if $used / $wall > $best; last if $best > 0.45 }
        $best > 0.45 ? through("$best of a processor") : refused("$best of a processor");""",
    ),
]
