"""Fifty texts that want to run: what people have pasted into fields since there are fields.

Each tries to call ``ran(n)``; the pages under test must show it as the text it is. The kinds follow the contexts in
which browsers run code: elements, attributes, addresses, styles, templates, encodings, and parsers' odd corners.
"""

from __future__ import annotations

from typing import Final

TEXTS: Final = tuple(
    text.replace("RUN", f"ran({number})")
    for number, text in enumerate(
        (
            "<script>RUN</script>",
            '"><script>RUN</script>',
            "'><script>RUN</script>",
            "</textarea><script>RUN</script>",
            "</title><script>RUN</script>",
            "</style><script>RUN</script>",
            "</script><script>RUN</script>",
            "--><script>RUN</script>",
            "]]><script>RUN</script>",
            "<ScRiPt>RUN</sCrIpT>",
            "<scr<script>ipt>RUN</scr</script>ipt>",
            "<script src=data:text/javascript,RUN></script>",
            "<script type=module>RUN</script>",
            "<img src=x onerror=RUN>",
            '<img src=x onerror="RUN">',
            '" onfocus=RUN autofocus="',
            "' onfocus=RUN autofocus='",
            '" onmouseover=RUN style="position:fixed;inset:0',
            "<svg onload=RUN>",
            "<svg><script>RUN</script></svg>",
            "<svg><animate onbegin=RUN attributeName=x dur=1s>",
            "<svg><a xlink:href=javascript:RUN><text y=20>x</text></a></svg>",
            "<math><mtext><table><mglyph><style><img src=x onerror=RUN></style></mglyph></table></mtext></math>",
            "<math href=javascript:RUN>x</math>",
            "<body onload=RUN>",
            "<input autofocus onfocus=RUN>",
            "<select autofocus onfocus=RUN></select>",
            "<textarea autofocus onfocus=RUN></textarea>",
            "<details open ontoggle=RUN>x</details>",
            "<video><source onerror=RUN></video>",
            "<audio src=x onerror=RUN>",
            "<iframe src=javascript:RUN></iframe>",
            "<iframe srcdoc='<script>parent.RUN</script>'></iframe>",
            "<object data=javascript:RUN></object>",
            "<embed src=javascript:RUN>",
            "<form action=javascript:RUN><button>x</button></form>",
            "<button form=x formaction=javascript:RUN>x</button>",
            "<a href=javascript:RUN>x</a>",
            "<a href='jav&#x09;ascript:RUN'>x</a>",
            "[x](javascript:RUN)",
            "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==) RUN",
            '![x](x"onerror="RUN)',
            "<javascript:RUN>",
            "<meta http-equiv=refresh content='0;url=javascript:RUN'>",
            "<base href=javascript:RUN//>",
            "<link rel=stylesheet href=data:text/css,*{x:RUN}>",
            "<style>@import 'javascript:RUN';</style>",
            '<noscript><p title="</noscript><img src=x onerror=RUN>">',
            "{{ RUN }} {% debug %} ${RUN} <%= RUN %> #{RUN}",
            "<template><script>RUN</script></template><x-y hx-on:load=RUN hx-get=/ hx-trigger=load>",
        )
    )
)
assert len(TEXTS) == 50
