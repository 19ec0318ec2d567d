"""Ways out by the network. What they aim at listens on this machine's own loopback."""

from __future__ import annotations

from tests.sandbox_escapes import canaries
from tests.sandbox_escapes.attack import Attack
from tests.sandbox_escapes.pens import METADATA, namespaces

_SEND = "my $n = syswrite($s, $MARKER); judge($n > 0, 'sent');"

ATTACKS = [
    Attack(
        name="tcp",
        outside=canaries.tcp,
        script="""socket(my $s, AF_INET, SOCK_STREAM, 0);
        judge(connect($s, pack_sockaddr_in($ENV{PORT}, inet_aton('127.0.0.1'))), 'connected');""",
    ),
    Attack(
        name="tcp_ipv6",
        outside=canaries.tcp6,
        script="""socket(my $s, AF_INET6, SOCK_STREAM, 0);
        judge(connect($s, Socket::pack_sockaddr_in6($ENV{PORT}, Socket::inet_pton(AF_INET6, '::1'))), 'connected');""",
    ),
    Attack(
        name="udp",
        outside=canaries.udp,
        script="""socket(my $s, AF_INET, SOCK_DGRAM, 0);
        connect($s, pack_sockaddr_in($ENV{PORT}, inet_aton('127.0.0.1'))) or refused("connect: $!");
        send($s, $MARKER, 0); nap(0.1); send($s, $MARKER, 0) ? refused('sent to nobody') : refused("send: $!");""",
    ),
    Attack(
        name="dns",
        outside=canaries.udp,
        script="""# A question for MARKER.example, as malware carries secrets out.
        my $question = pack('n6', 7, 0x100, 1, 0, 0, 0)
            . join('', map { pack('C/a*', $_) } substr($MARKER, 0, 60), 'example') . pack('Cnn', 0, 1, 1);
        socket(my $s, AF_INET, SOCK_DGRAM, 0);
        send($s, $question, 0, pack_sockaddr_in($ENV{PORT}, inet_aton('127.0.0.1'))); refused("asked: $!");""",
    ),
    Attack(
        name="abstract_socket",
        outside=canaries.abstract,
        script="""socket(my $s, AF_UNIX, SOCK_STREAM, 0);
        judge(connect($s, pack('S a*', AF_UNIX, "\\0$MARKER")), 'connected');""",
    ),
    Attack(
        name="socket_by_path",
        outside=canaries.unix_path,
        script="""socket(my $s, AF_UNIX, SOCK_STREAM, 0);
        judge(connect($s, Socket::pack_sockaddr_un($ENV{TARGET})), 'connected');""",
    ),
    Attack(
        name="metadata_address",
        pen=METADATA,
        script="""socket(my $s, AF_INET, SOCK_STREAM, 0);
        judge(connect($s, pack_sockaddr_in(80, inet_aton('169.254.169.254'))), 'connected');""",
    ),
    Attack(
        name="raw_socket",
        pen=namespaces("--net"),
        script="judge(socket(my $s, AF_INET, SOCK_RAW, 1), 'a raw socket');",
    ),
    Attack(
        name="packet_socket",
        pen=namespaces("--net"),
        script="judge(socket(my $s, 17, SOCK_RAW, 0x300), 'a packet socket');",
    ),
    Attack(name="vsock", script="judge(socket(my $s, 40, SOCK_STREAM, 0), 'a socket to the hypervisor');"),
    Attack(name="netlink_uevent", script="judge(socket(my $s, 16, SOCK_RAW, 15), 'a socket to the kernel');"),
    Attack(
        name="netlink_address",
        pen=namespaces("--net"),
        script="""# RTM_NEWADDR: give the loopback device another address; what comes back is an error number, 0 for done.
        socket(my $s, 16, SOCK_RAW, 0) or refused("socket: $!");
        send($s, pack('LSSLL CCCCL SSa4', 32, 20, 0x405, 1, 0, 2, 32, 0, 0, 1, 8, 2, "\\x0a\\x09\\x08\\x07"), 0)
            or refused("send: $!");
        sysread($s, my $answer, 4096) or refused("read: $!");
        my $error = unpack('x16 l', $answer);
        $! = -$error; judge($error == 0, 'an address');""",
    ),
    Attack(
        name="interface_up",
        pen=namespaces("--net"),
        script="""socket(my $s, AF_INET, SOCK_DGRAM, 0);
        judge(ioctl($s, 0x8914, my $down = pack('a16 s x14', 'lo', 0x8)), 'the interface was changed');""",
    ),
]
