"""Ways to the machine's files and settings, and to what must not change under a running replay."""

from __future__ import annotations

from tests.sandbox_escapes import canaries
from tests.sandbox_escapes.attack import Attack, Read, reads_secret
from tests.sandbox_escapes.pens import namespaces

_READ = "my $t = slurp($_); print $t if defined $t;"
_LOOKED = "claim('[refused]', 'looked everywhere');"


def _report(read: Read) -> str:
    return read("work/report").decode(errors="replace")


def _reading(name: str, paths: str, **fields: object) -> Attack:
    """Print whatever can be read at these paths; the secret must not be among it."""
    script = f"for ({paths}) {{ {_READ} }} {_LOOKED}"
    return Attack(name=name, script=script, got_through=reads_secret, **fields)  # type: ignore[arg-type]


def _writing(name: str, paths: str, why: str) -> Attack:
    """Open for writing and change nothing."""
    script = f"for ({paths}) {{ open(my $f, '>>', $_) and through($_) }} refused('{why}');"
    return Attack(name=name, script=script)


ATTACKS = [
    _reading("host_file_by_path", "$ENV{TARGET}", outside=canaries.file),
    _reading(
        "host_file_by_dots",
        "'../' x 40 . $ENV{TARGET}, '/job/work/..' . '/..' x 9 . $ENV{TARGET}",
        outside=canaries.file,
    ),
    _reading(
        "proc_root",
        'map { "/proc/$_/root$ENV{TARGET}" } 1, $$, $ENV{VICTIM}',
        outside=canaries.both(canaries.file, canaries.process),
    ),
    _reading(
        "proc_cwd",
        "map { \"/proc/$_/cwd/\" . '../' x 40 . $ENV{TARGET} } 1, $$, $ENV{VICTIM}",
        outside=canaries.both(canaries.file, canaries.process),
    ),
    _reading("host_process_environment", 'map { "/proc/$_/environ" } 1, $ENV{VICTIM}', outside=canaries.process),
    Attack(
        name="write_host_file",
        outside=canaries.file,
        script="open(my $f, '>', $ENV{TARGET}) or refused($!); print $f 'changed'; close $f; through('written');",
    ),
    Attack(
        name="hard_link",
        outside=canaries.file,
        script="judge(link($ENV{TARGET}, \"$ENV{TARGET}.link\") || link($ENV{TARGET}, 'work/link'), 'linked');",
    ),
    Attack(
        name="symlink_read_back",
        outside=canaries.file,
        script="symlink($ENV{TARGET}, 'work/report') or die; refused('linked, for a check to follow');",
        expect=["file('work/report').text != ''"],
        probe=_report,
        verdict="failed",
        code="check_failed",
        got_through=reads_secret,
    ),
    Attack(
        name="symlinked_folder_read_back",
        outside=canaries.file,
        script="symlink('/', 'work/all') or die; symlink('all' . $ENV{TARGET}, 'work/report') or die;"
        "refused('linked, for a check to follow');",
        expect=["file('work/report').text != '' || size(files('work/all/**')) > 0"],
        probe=_report,
        verdict="failed",
        code="check_failed",
        got_through=reads_secret,
    ),
    _writing(
        "proc_sys",
        "'/proc/sys/kernel/core_pattern', '/proc/sys/vm/drop_caches', '/proc/sys/kernel/hostname'",
        "kernel settings",
    ),
    Attack(
        name="sys",
        script="for (glob('/sys/kernel/mm/*/*'), glob('/sys/kernel/*'), glob('/sys/class/net/*/*')) {"
        " -f $_ && open(my $f, '>>', $_) and through($_) } refused('no setting of a device');",
    ),
    Attack(
        name="kernel_log_and_memory",
        script="for ('/dev/kmsg', '/dev/mem', '/dev/port', '/proc/kcore', '/proc/kmsg') {"
        " sysopen(my $f, $_, O_RDONLY | O_NONBLOCK) or next; sysread($f, my $t, 1) and through($_) }"
        " refused('nothing');",
    ),
    Attack(
        name="kernel_addresses",
        script="for ('/proc/kallsyms', '/proc/config.gz', '/proc/modules', '/proc/timer_list') {"
        " through($_) if length(slurp($_) // '') } refused('nothing');",
    ),
    Attack(
        name="block_device",
        script="for (glob('/dev/vd?'), glob('/dev/sd?'), glob('/dev/nvme?n?'), glob('/dev/loop?'), '/dev/loop-control',"
        " '/dev/fuse', '/dev/kvm', '/dev/net/tun') { sysopen(my $f, $_, O_RDONLY | O_NONBLOCK) and through($_) }"
        " refused('no disk');",
    ),
    Attack(
        name="leave_control_group",
        script="for my $d ('/sys/fs/cgroup', glob('/sys/fs/cgroup/*')) { my $f = \"$d/cgroup.procs\";"
        " open(my $p, '>>', $f) and through($f) } refused('no control group');",
    ),
    Attack(
        name="write_system",
        pen=namespaces("--mount"),
        script="""# In the pen /usr/local, /opt and the like are copies first; inside nothing is to be had.
        if (!-e '/job/scripts') { for ('/usr/local/bin', '/opt') { call('mount', 'none', $_, 'tmpfs', 0, 0) } }
        for ('/', '/etc', '/usr/bin', '/usr/local/bin', '/opt', '/lib', '/dev', '/proc', '/job', '/job/scripts') {
            next if !-e '/job/scripts' && !m{^/(usr/local/bin|opt)$};
            open(my $f, '>', "$_/$MARKER") and through($_) } refused('nothing outside work');""",
    ),
    Attack(
        name="overwrite_own_package",
        script="""for my $f ('scripts/then.pl', 'scripts/attempt.pl', 'experience.yaml') {
            chmod 0777, $f; unlink "$f.new"; rename $f, "$f.old"; open(my $w, '>', $f) or next;
            print $w "open(my \\$f, '>', 'work/claim'); print \\$f '[through] another script'; print '[through]';";
            close $w }
        open(my $c, '>', 'work/claim'); print $c '[refused]';""",
        then="refused('the script is the one that was published');",
    ),
    Attack(
        name="overwrite_interpreter",
        commands=("perl", "scripts/tool"),
        files={"scripts/tool": b"#!/bin/sh\nexit 0\n"},
        script="""# The tool stands for the interpreter in the control; inside, the real ones are tried as well.
        for ($^X, '/usr/bin/perl', '/bin/sh', '/bin/dash') {
            -e '/job/scripts' && open(my $w, '>>', $_) and through("$_ can be written") }
        for my $f ('scripts/tool') {
            chmod 0777, $f; my $w; open($w, '>', $f) or unlink($f) && open($w, '>', $f) or next;
            print $w "#!/bin/sh\\nexit 9\\n"; close $w; chmod 0755, $f }
        refused('tried');""",
        then="my $status = system('scripts/tool'); $status ? through(\"ended with $status\") : refused('as it was');",
    ),
    Attack(
        name="poisoned_path",
        commands=("perl", "true"),
        script="""my $evil = "#!/bin/sh\\necho '[through]' > work/claim; echo '[through]'\\n";
        mkdir 'bin'; mkdir 'work/bin'; mkdir "$ENV{HOME}/bin";
        for (split(/:/, $ENV{PATH}), 'work', 'work/bin', "$ENV{HOME}/bin") {
            next if -e "$_/true" || !-e '/job/scripts' && m{^/(usr|s?bin)};
            open(my $w, '>', "$_/true") or next; print $w $evil; close $w; chmod 0755, "$_/true" }
        for ('.profile', '.bashrc', '.perlrc') { open(my $w, '>', "$ENV{HOME}/$_"); print $w "PATH=/job/work/bin" }
        refused('tried');""",
        then="system('true'); refused('true is what it was') if slurp('work/claim') !~ /through/;",
    ),
    Attack(
        name="runtime_by_proc_exe",
        outside=canaries.program,
        script="""# As CVE-2019-5736: keep the runtime's program by its link in /proc, open it for writing when it is free.
        my @held; for my $p (-e '/job/scripts' ? (1, $$, getppid()) : (), $ENV{EXE} =~ /(\\d+)/) {
            sysopen(my $f, "/proc/$p/exe", 0x200000) or next; push @held, $f }
        for (1 .. (-e '/job/scripts' ? 40 : 300)) { for (@held) { open(my $w, '>>', '/proc/self/fd/' . fileno($_)) and through('open for writing') }
            nap(0.03) }
        refused("@{[scalar @held]} held, none written");""",
    ),
    Attack(
        name="watch_host_files",
        outside=canaries.file,
        script="my $i = call('inotify_init1', 0); judge(works('inotify_add_watch', $i, $ENV{TARGET}, 0xfff), 'watched');",
    ),
    Attack(
        name="set_user_id_files",
        script="""require File::Find; my @found;
        File::Find::find({ no_chdir => 1, wanted => sub { my @s = lstat; push @found, $_ if -f _ && $s[2] & 06000 } },
            '/usr/bin', '/usr/sbin', '/usr/lib', '/bin');
        @found ? through("@found[0 .. 2]") : refused('none');""",
    ),
    Attack(
        name="own_set_user_id_file",
        commands=("perl", "id", "work/id"),
        script="""system('perl', '-e', 1); my $id = slurp('/usr/bin/id'); open(my $f, '>', 'work/id'); print $f $id; close $f;
        if (!-e '/job/scripts') { chown 1879051999, 1879051999, 'work/id' }
        chmod 06755, 'work/id'; my ($owner) = (stat 'work/id')[4]; $owner = 0 if -e '/job/scripts';
        my $uid = `work/id -u`; print "ran as $uid";
        $uid =~ /^$owner\\s/ ? through("ran as $uid") : refused("ran as $uid");""",
    ),
]
