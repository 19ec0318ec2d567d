"""The site's icons: paths on a 24 by 24 grid, drawn inline so that no page asks for another file."""

from __future__ import annotations

from typing import Final

ICONS: Final[dict[str, str]] = {
    "mark": '<rect x="2" y="2" width="20" height="20" rx="3" fill="currentColor" stroke="none"/>'
    '<path d="M7.5 6v12M7.5 12.5 15 6M10.8 10l3 3" class="cutout"/>'
    '<path d="m12.8 16.4 2 2 3.6-4.6" class="cutout"/>',
    "seal": '<rect x="3" y="3" width="18" height="18" rx="2"/><path d="m7.5 12.5 3 3 6-7"/>',
    "seal-broken": '<rect x="3" y="3" width="18" height="18" rx="2"/><path d="m8.5 8.5 7 7M15.5 8.5l-7 7"/>',
    "seal-open": '<rect x="3" y="3" width="18" height="18" rx="2" stroke-dasharray="3 2.6"/>'
    '<path d="M12 8v4.5l3 1.8"/>',
    "seal-none": '<rect x="3" y="3" width="18" height="18" rx="2" stroke-dasharray="3 2.6"/><path d="M8.5 12h7"/>',
    "check": '<path d="m5 12.5 4.5 4.5L19 7"/>',
    "cross": '<path d="m6.5 6.5 11 11M17.5 6.5l-11 11"/>',
    "question": '<path d="M9 9.2a3 3 0 1 1 4.4 2.6c-.9.5-1.4 1-1.4 2.2M12 17.6v.1"/>',
    "clock": '<circle cx="12" cy="12" r="9"/><path d="M12 7v5.3l3.5 2"/>',
    "warning": '<path d="M12 4 2.8 20h18.4zM12 10v4.5M12 17.4v.1"/>',
    "info": '<circle cx="12" cy="12" r="9"/><path d="M12 11v5.5M12 7.6v.1"/>',
    "search": '<circle cx="10.5" cy="10.5" r="6.5"/><path d="m15.5 15.5 5 5"/>',
    "person": '<circle cx="12" cy="8" r="4"/><path d="M4.5 20.5c1-4 4-5.8 7.5-5.8s6.5 1.8 7.5 5.8"/>',
    "building": '<path d="M4 21V4h10v17M14 9h6v12M2.5 21h19M7.5 8h3M7.5 12h3M7.5 16h3"/>',
    "key": '<circle cx="8" cy="15.5" r="4.5"/><path d="m11.3 12.2 8.7-8.7M16 7.5l3 3"/>',
    "lock": '<rect x="5" y="11" width="14" height="10" rx="1.5"/><path d="M8 11V7.5a4 4 0 0 1 8 0V11"/>',
    "download": '<path d="M12 4v11M7 10.5l5 5 5-5M4 20.5h16"/>',
    "chevron": '<path d="m6 9 6 6 6-6"/>',
    "arrow": '<path d="M4.5 12h15M13 5.5l6.5 6.5-6.5 6.5"/>',
    "back": '<path d="M19.5 12h-15M11 5.5 4.5 12l6.5 6.5"/>',
    "plus": '<path d="M12 5v14M5 12h14"/>',
    "terminal": '<rect x="2.5" y="4" width="19" height="16" rx="2"/><path d="m6.5 9 3 3-3 3M12.5 15.5h5"/>',
    "star": '<path d="m12 2.8 2.8 6 6.5.8-4.8 4.5 1.3 6.5-5.8-3.3-5.8 3.3 1.3-6.5L2.7 9.6l6.5-.8z"/>',
    "document": '<path d="M6 2.5h8.5L19 7v14.5H6zM14.5 2.5V7H19M9 12h7M9 16h7"/>',
    "list": '<path d="M8.5 6H21M8.5 12H21M8.5 18H21M3.5 6h.1M3.5 12h.1M3.5 18h.1"/>',
    "globe": '<circle cx="12" cy="12" r="9"/>'
    '<path d="M3 12h18M12 3c3 3 3.5 6 3.5 9s-.5 6-3.5 9c-3-3-3.5-6-3.5-9S9 6 12 3"/>',
}
