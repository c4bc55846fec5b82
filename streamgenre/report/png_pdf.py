"""An SVG page as PNG or PDF, converted by Typst (extra ``report``).

Typst renders SVG with resvg, brings fonts of its own for machines that have none, and needs no
system library.
"""

from __future__ import annotations

from typing import Final, Literal

from streamgenre.errors import HistoryError

PNG_WIDTH: Final = 2400
"""Width of a PNG in pixels."""
_A3_PT: Final = 841.89
"""Width of A3 in points of 1/72 inch."""
_DOCUMENT: Final = (
    b"#set document(title: sys.inputs.title)\n"
    b"#set page(width: 841.89pt, height: auto, margin: 0pt)\n#image(bytes(sys.inputs.svg), "
    b'format: "svg", width: 100%, alt: sys.inputs.title)\n'
)


def convert(page: str, file_format: Literal["png", "pdf"], *, title: str) -> bytes:
    """Convert an SVG page to the bytes of a file.

    Parameters
    ----------
    page
        An SVG document.
    file_format
        ``png`` for a picture ``PNG_WIDTH`` pixels wide, or ``pdf`` for a page as wide as A3.
    title
        Title in the metadata of a PDF.

    Returns
    -------
    bytes
        The file.

    Raises
    ------
    HistoryError
        If Typst is not installed.
    """
    try:
        import typst
    except ImportError as error:
        raise HistoryError(
            "PNG and PDF need typst: run `pip install 'streamgenre[report]'`, "
            "or write --out report.html, which needs nothing"
        ) from error
    inputs = {"svg": page, "title": title}
    ppi = 72 * PNG_WIDTH / _A3_PT
    written = typst.compile(_DOCUMENT, format=file_format, ppi=ppi, sys_inputs=inputs)
    assert isinstance(written, bytes)  # several pages would be a list
    return written
