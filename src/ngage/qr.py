"""QR codes as SVG: black on white whatever the colours of the page, as cameras need it."""

import io

import segno

TYPE = "image/svg+xml"
QUIET_ZONE_MODULES = 4  # ISO/IEC 18004, 6.3.8
TEXT_CHARACTERS_MAX = 1024


def encode_qr(text: str) -> bytes:
    """The code of `text` as an SVG document that fills the box it is put in.

    15 % of it at least may be covered (level M, or higher where that fits the same size). Raises
    ValueError for a text that is empty or too long.
    """
    if not 0 < len(text) <= TEXT_CHARACTERS_MAX:
        raise ValueError(f"text: 1 to {TEXT_CHARACTERS_MAX} characters are needed")
    out = io.BytesIO()
    segno.make_qr(text, error="m").save(
        out,
        kind="svg",
        border=QUIET_ZONE_MODULES,
        dark="#000",
        light="#fff",
        omitsize=True,
        xmldecl=False,
        svgclass=None,
        lineclass=None,
    )
    return out.getvalue()
