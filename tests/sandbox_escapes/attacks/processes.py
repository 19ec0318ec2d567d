"""Processes that reach for others, outlive their sandbox, or leave things where others would find them."""

from __future__ import annotations

from tests.sandbox_escapes import canaries, canaries_own
from tests.sandbox_escapes.attack import Attack, reads_secret
from tests.sandbox_escapes.pens import namespaces

_DAEMON = """if (!fork()) { if (!fork()) { POSIX::setsid(); open(STDIN, '<', '/dev/null'); POSIX::close($_) for 0 .. 20;
    $SIG{$_} = 'IGNORE' for 'TERM', 'HUP', 'INT', 'PIPE', 'QUIT', 'USR1'; %s } POSIX::_exit(0) } nap(0.2);
"""

ATTACKS = [
    Attack(
        name="signal_host_process",
        outside=canaries.process,
        script="judge(kill(9, $ENV{VICTIM}), 'killed a process of the machine');",
    ),
    Attack(
        name="signal_by_pidfd",
        outside=canaries.process,
        script="my $p = call('pidfd_open', $ENV{VICTIM} + 0, 0); judge($p >= 0 && syscall(424, $p, 9, 0, 0) == 0, 'killed');",
    ),
    Attack(
        name="kill_everything",
        outside=canaries.process,
        pen=[
            *namespaces("--pid", "--fork"),
            "perl",
            "-e",
            "my $c = fork(); if (!$c) { sleep 9; exit } system(@ARGV); sleep(1); print '[through]' if waitpid($c, 1) == $c",
        ],
        # What it ends is its own sandbox, and with it its own claim.
        script="kill(9, -1); nap(0.5); refused('nobody of this machine died');",
        verdict=None,
    ),
    Attack(
        name="daemon",
        outside=canaries_own.survivors,
        script=_DAEMON % "sleep 60" + "refused('left a daemon');",
    ),
    Attack(
        name="daemon_in_disguise",
        commands=("perl", "sleep"),
        outside=canaries_own.survivors,
        script=_DAEMON
        % "call('prctl', 1, 0, 0, 0, 0); my $n = $ENV{NUMBER}; %ENV = (PATH => $ENV{PATH}); exec('sleep', $n)"
        + "refused('left a daemon without a name and without a parent-death signal');",
    ),
    Attack(
        name="stopped_process",
        outside=canaries_own.survivors,
        script="my $c = fork(); if (!$c) { close $_ for *STDOUT, *STDERR; kill('STOP', $$); sleep 60 } nap(0.1); refused('left a stopped process');",
    ),
    Attack(
        name="worker_environment",
        outside=canaries_own.environment,
        script="""print map { "$_=$ENV{$_}\\n" } keys %ENV; print slurp($_) for glob('/proc/[0-9]*/environ');
        claim('[refused]', 'looked everywhere');""",
        got_through=reads_secret,
    ),
    Attack(
        name="command_lines",
        outside=canaries.file,
        script="""# In the control the words of the pen name the machine's folders; inside, those of the launcher could.
        my $t = join('', map { slurp($_) } glob('/proc/[0-9]*/cmdline'), glob('/proc/[0-9]*/mountinfo'));
        $t =~ m{(/tmp/keiken|/var/cache|/run/keiken|launcher)} ? through("sees $1") : refused('nothing of the machine');""",
        pen=["env", "--", "perl", "-e", "system(@ARGV)", "--", "env", "FOLDER=/tmp/keiken"],
    ),
    Attack(
        name="inherited_descriptor",
        outside=canaries_own.descriptor,
        script="""for my $n (3 .. 255) { open(my $f, '<&=', $n) or next; seek($f, 0, 0);
            sysread($f, my $t, 4000); print $t; POSIX::dup($n) } claim('[refused]', 'looked everywhere');""",
        got_through=reads_secret,
    ),
    Attack(
        name="forged_wire_protocol",
        outside=canaries_own.wire,
        script="""my $word = '{"id":%d,"status":0,"failed":"","oom":false,"gone":false}';
        for my $n (0 .. 255) { for my $id (1 .. 5) { open(my $f, '>&=', $n) or next;
            syswrite($f, sprintf($word, $id)); send($f, sprintf($word, $id), MSG_DONTWAIT) } } exit 7;""",
        verdict="failed",
        code="check_failed",
    ),
    Attack(
        name="shared_memory_file",
        outside=canaries.shared_memory_file,
        script="open(my $f, '>', \"/dev/shm/$MARKER\") or refused($!); print $f 1; refused('only in its own /dev/shm');",
    ),
    Attack(
        name="system_v_ipc",
        outside=canaries.shared_memory_segment,
        script="works('shmget', $ENV{KEY} + 0, 4096, 01600) or refused($!); refused('only in its own namespace');",
    ),
    Attack(
        name="message_queue",
        outside=canaries_own.message_queue,
        script="works('mq_open', $MARKER, 0102, 0600, 0) or refused($!); refused('only in its own namespace');",
    ),
    Attack(
        name="neighbor_by_name",
        outside=canaries_own.neighbor,
        script="""socket(my $s, AF_UNIX, SOCK_STREAM, 0);
        judge(connect($s, pack('S a*', AF_UNIX, "\\0$ENV{NAME}")), 'connected to a neighbor');""",
    ),
    Attack(
        name="neighbor_by_port",
        outside=canaries_own.neighbor,
        script="""socket(my $s, AF_INET, SOCK_STREAM, 0);
        judge(connect($s, pack_sockaddr_in($ENV{PORT}, inet_aton('127.0.0.1'))), 'connected to a neighbor');""",
    ),
    Attack(
        name="neighbor_by_file",
        outside=canaries_own.neighbor,
        script="judge(-e \"/tmp/$ENV{NAME}\", 'sees what a neighbor left in /tmp');",
    ),
    Attack(
        name="terminal_keystrokes",
        script="""# TIOCSTI types into a terminal; with bits beyond 32 set as well, by which a filter may be walked around.
        my $pid = fork(); if (!$pid) { POSIX::setsid(); sysopen(my $m, '/dev/ptmx', O_RDWR | O_NOCTTY) or POSIX::_exit(2);
            ioctl($m, 0x40045431, my $unlock = pack('i', 0)); ioctl($m, 0x80045430, my $n = "\\0" x 4);
            sysopen(my $t, '/dev/pts/' . unpack('i', $n), O_RDWR) or POSIX::_exit(3); ioctl($t, 0x540E, 0);
            for my $request (0x5412, 0x1_0000_5412) { my $c = 'x';
                POSIX::_exit(9) if syscall($NR{ioctl}, fileno($t), $request, $c) == 0 } POSIX::_exit(4) }
        waitpid($pid, 0); $? == 9 << 8 ? through('typed') : refused("ended with $?");""",
    ),
    Attack(
        name="undeclared_command",
        script="""my $said = `/usr/bin/id 2>&1`; open(my $f, '>', 'work/x'); print $f slurp('/usr/bin/id'); close $f;
        chmod 0755, 'work/x'; $said .= `work/x 2>&1`; symlink('/usr/bin/id', 'work/perl'); $said .= `work/perl 2>&1`;
        $said =~ /uid=/ ? through($said) : refused('not executed');""",
    ),
]
