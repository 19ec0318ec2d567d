"""The Perl that our side of a Pod runs, handed over with each order (``perl-base`` is in every Debian root).

The attendant starts one command under our own system call filter and tells how it ended. It cannot be looked into
while it does so: nothing inside may trace, and it gives up being dumpable before it has read what to do. What it says
goes in frames over its own standard output, which no command of the package ever holds.
"""

from __future__ import annotations

import platform

SLEEPER = '$SIG{CHLD} = "IGNORE"; $SIG{TERM} = sub { exit 0 }; sleep 3600 while 1'
"""A container's first process: lets the kernel clear away orphans, and takes everything with it when told to end."""
END = "kill 'TERM', 1"
KILL = "kill 'KILL', -$ARGV[0], $ARGV[0]"
UNPACK = ["/bin/tar", "--extract", "--no-same-owner", "--directory=/package", "--file=-"]

_NUMBERS = {"x86_64": {"prctl": 157, "prlimit": 302}, "aarch64": {"prctl": 167, "prlimit": 261}}
_CALLS = _NUMBERS[platform.machine()]

_COMMON = """
use strict;
binmode STDIN; binmode STDOUT;
sub take { my $n = shift; my $t = ''; while (length $t < $n) {
  my $r = sysread(STDIN, $t, $n - length $t, length $t); exit 0 unless $r; } $t }
sub give { my $t = shift; my $o = 0; while ($o < length $t) {
  my $w = syswrite(STDOUT, $t, length($t) - $o, $o); exit 1 unless defined $w; $o += $w; } }
sub field { my $n = unpack('N', substr($_[0], 0, 4, '')); substr($_[0], 0, $n, '') }
sub fields { my $n = unpack('N', substr($_[0], 0, 4, '')); map { field($_[0]) } 1 .. $n }
"""

ATTENDANT = (
    _COMMON
    + f"""
use POSIX (); use Fcntl;
syscall({_CALLS["prctl"]}, 4, 0, 0, 0, 0);
my $order = take(unpack('N', take(4)));
my ($mode, $input, $filter, $kept) = map {{ field($order) }} 1 .. 4;
my @limits = fields($order); my %env = fields($order); my @argv = fields($order);
"""
    + """
sub frame { give(pack('aN', $_[0], length $_[1]) . $_[1]) }
sub ooms { open(my $f, '<', '/sys/fs/cgroup/memory.events') or return 0; my $n = 0;
  while (<$f>) { $n = $1 if /^oom_kill (\\d+)/ } $n }
my $ooms = ooms();
my $service = $mode eq 'start';
pipe(my $ir, my $iw); pipe(my $or, my $ow); pipe(my $er, my $ew); pipe(my $xr, my $xw);
my $pid = fork // exit 1;
if (!$pid) {
  POSIX::setsid();
  $SIG{$_} = 'DEFAULT' for grep { $_ ne 'KILL' && $_ ne 'STOP' && !/^(NUM|RT|__)/ } keys %SIG;
  if ($service) { open(my $null, '+<', '/dev/null'); ($ir, $ow, $ew) = ($null) x 3; }
  POSIX::dup2(fileno $ir, 0); POSIX::dup2(fileno $ow, 1); POSIX::dup2(fileno $ew, 2);
  umask 022; chdir '/job';
"""
    + f"""
  for (@limits) {{ my ($kind, $value) = split /=/;
    syscall({_CALLS["prlimit"]}, 0, $kind + 0, pack('QQ', $value, $value), 0); }}
  syscall({_CALLS["prctl"]}, 38, 1, 0, 0, 0);
  syscall({_CALLS["prctl"]}, 1, 9, 0, 0, 0) unless $service;
  my $program = pack('S x6 P', length($filter) / 8, $filter);
  if (syscall({_CALLS["prctl"]}, 22, 2, $program, 0, 0) != 0) {{ syswrite $xw, 'filter'; POSIX::_exit(127) }}
"""
    + """
  %ENV = %env;
  exec { $argv[0] } @argv;
  syswrite $xw, $! + 0; POSIX::_exit(127);
}
close $_ for $ir, $ow, $ew, $xw;
frame('P', $pid);
if ($service) {
  my $failed = ''; sysread($xr, $failed, 100);
  frame('S', pack('NN', 0, 0) . join(' ', 0, 0, 0, $failed)); exit 0;
}
fcntl($iw, F_SETFL, O_NONBLOCK); $SIG{PIPE} = 'IGNORE'; $SIG{CHLD} = sub { };
my %open = (O => $or, E => $er); my ($status, $until, $failed) = (undef, undef, '');
while (1) {
  if (!defined $status && waitpid($pid, POSIX::WNOHANG()) == $pid) { $status = $?; $until = time + 1; }
  my ($r, $w) = ('', '');
  vec($r, fileno $_, 1) = 1 for values %open;
  vec($w, fileno $iw, 1) = 1 if $iw;
  last if defined $status && (!%open || time >= $until);
  my $n = select($r, $w, undef, defined $status ? 0.1 : 0.05);
  last if defined $status && $n == 0;
  next if $n <= 0;
  if ($iw && vec($w, fileno $iw, 1)) {
    my $done = syswrite($iw, $input, 65536);
    substr($input, 0, $done, '') if defined $done;
    if (!length $input || (!defined $done && !$!{EAGAIN})) { close $iw; undef $iw; }
  }
  for my $name (keys %open) {
    next unless vec($r, fileno $open{$name}, 1);
    my $read = sysread($open{$name}, my $piece, 65536);
    if ($read) { frame($name, $piece) } else { close $open{$name}; delete $open{$name}; }
  }
}
sysread($xr, $failed, 100);
my (undef, undef, $user, $system) = times;
my $peak = 0; if (open(my $f, '<', '/sys/fs/cgroup/memory.peak')) { $peak = <$f> + 0; }
frame('S', pack('NN', $status & 0xffff, 0) . join(' ', ooms() > $ooms ? 1 : 0, $user + $system, $peak, $failed));
exit 0 unless %open;
exit 0 if fork;
POSIX::setsid(); open(STDIN, '<', '/dev/null'); open(STDOUT, '>', '/dev/null'); open(STDERR, '>', '/dev/null');
while (%open) {
  my $r = ''; vec($r, fileno $_, 1) = 1 for values %open;
  next unless select($r, undef, undef, undef) > 0;
  for my $name (keys %open) {
    next unless vec($r, fileno $open{$name}, 1);
    my $read = sysread($open{$name}, my $piece, 65536); $kept -= $read // 0;
    if (!$read || $kept < 0) { close $open{$name}; delete $open{$name}; }
  }
}
"""
)

KEEPER = (
    _COMMON
    + """
use Fcntl;
sub enter { chdir '/job' or return 0; for my $name (@_) {
  sysopen(my $d, $name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK) or return 0; chdir $d or return 0; } 1 }
sub state { my @parts = split m{/}, shift; my $name = pop @parts; my $most = shift;
  return 'absent' unless enter(@parts); my @s = lstat $name or return 'absent';
  my $mode = sprintf '%04o', $s[2] & 07777;
  return "folder $mode" if -d _;
  return "other $mode" unless -f _;
  return "file $mode $s[7] -" if $s[7] > $most;
  sysopen(my $f, $name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK) or return "file $mode $s[7] -";
  @s = stat $f; return "other $mode" unless -f _;
  my $c = ''; while (my $r = sysread($f, $c, 65536, length $c)) { last if length $c > $most }
  return "file $mode $s[7] -" if length $c > $most;
  return "file $mode " . length($c) . " +$c" }
sub names { my ($most, $deep) = @_; my ($seen, @todo, @found) = (0, []);
  while (@todo) { my @at = @{pop @todo}; enter(@at) or next; opendir(my $d, '.') or next;
    for my $name (readdir $d) { next if $name eq '.' || $name eq '..'; last if ++$seen > $most;
      lstat $name or next;
      if (-d _) { push @todo, [@at, $name] if @at < $deep } elsif (-f _) { push @found, join '/', @at, $name } } }
  pack 'N/(N/a*)', @found }
sub put { my ($path, $mode, $content) = @_; my @parts = split m{/}, $path; my $name = pop @parts; enter() or return $!;
  for my $part (@parts) {
    mkdir $part, 0755 unless lstat $part;
    sysopen(my $d, $part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK) or return "$!"; chdir $d or return "$!"; }
  my $new = '.keiken-' . join '', map { sprintf '%08x', rand 2**32 } 1 .. 2;
  sysopen(my $f, $new, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600) or return "$!";
  my $o = 0; while ($o < length $content) { my $w = syswrite($f, $content, length($content) - $o, $o);
    if (!defined $w) { my $why = "$!"; unlink $new; return $why } $o += $w }
  chmod oct($mode), $f; close $f;
  rename $new, $name or do { my $why = "$!"; unlink $new; return $why }; '' }
sub gone { my @parts = split m{/}, shift; my $name = pop @parts; enter(@parts) or return '';
  open(my $null, '>', '/dev/null'); my $pid = fork // return "$!";
  if (!$pid) { open(STDOUT, '>&', $null); open(STDERR, '>&', $null); open(STDIN, '<', '/dev/null');
    exec '/bin/rm', '-rf', '--one-file-system', '--', "./$name" }
  waitpid $pid, 0; lstat($name) ? 'something inside still uses or protects it' : '' }
sub whole { open(my $f, '<', shift) or return ''; local $/; <$f> // '' }
while (1) {
  my $order = take(unpack('N', take(4))); my $verb = field($order);
  my $answer = $verb eq 'state' ? state(field($order), field($order) + 0)
    : $verb eq 'names' ? names(field($order) + 0, field($order) + 0)
    : $verb eq 'put' ? put(field($order), field($order), field($order))
    : $verb eq 'gone' ? gone(field($order))
    : $verb eq 'ports' ? whole('/proc/net/tcp') . whole('/proc/net/tcp6') : exit 1;
  give(pack('N', length $answer) . $answer);
}
"""
)

CONNECT = (
    _COMMON
    + """
use Socket;
my $address = inet_aton($ARGV[0]); socket(my $s, PF_INET, SOCK_STREAM, 0);
if (!connect($s, pack_sockaddr_in($ARGV[1], $address))) { give(pack 'N', $! + 0); exit 0 }
give(pack 'N', 0);
my %from = (fileno(STDIN) => [\\*STDIN, $s], fileno($s) => [$s, \\*STDOUT]);
while (%from) {
  my $r = ''; vec($r, $_, 1) = 1 for keys %from;
  next unless select($r, undef, undef, undef) > 0;
  for my $fd (keys %from) {
    next unless vec($r, $fd, 1);
    my ($source, $target) = @{$from{$fd}};
    my $read = sysread($source, my $piece, 65536);
    if (!$read) { delete $from{$fd}; shutdown($s, 1) if $source != $s; exit 0 if $source == $s; next }
    my $o = 0;
    while ($o < $read) { my $w = syswrite($target, $piece, $read - $o, $o); exit 0 unless defined $w; $o += $w }
  }
}
"""
)
