"""Arrays as small PNG images in an SVG."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import av
import numpy as np

from streamgenre.display.palette import CIVIDIS
from streamgenre.report import svg

if TYPE_CHECKING:
    from numpy.typing import NDArray


def heat_map(
    values: NDArray[np.float64], low: float, high: float, place: tuple[float, float, float, float]
) -> str:
    """Return values as an image element, time to the right and the first row at the bottom.

    Parameters
    ----------
    values
        Shape ``(columns, rows)``.
    low, high
        Values with the first and the last colour; those beyond are shown like them.
    place
        x, y, width and height.
    """
    share = (values.T[::-1] - low) / max(high - low, 1e-12)
    pixels = _colors(np.clip(np.nan_to_num(share), 0, 1))
    x, y, width, height = place
    data = base64.b64encode(_png(pixels)).decode()
    return svg.element(
        "image", x=x, y=y, width=width, height=height, preserveAspectRatio="none",
        href=f"data:image/png;base64,{data}",
    )  # fmt: skip


def color_bar(place: tuple[float, float, float, float]) -> str:
    """Return the colours from the lowest, at the bottom, to the highest.

    Parameters
    ----------
    place
        x, y, width and height.
    """
    return heat_map(np.linspace(0, 1, 64)[None, :], 0, 1, place)


def _colors(share: NDArray[np.float64]) -> NDArray[np.uint8]:
    points = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in CIVIDIS], float)
    at = share * (len(points) - 1)
    mixed = [np.interp(at, np.arange(len(points)), points[:, channel]) for channel in range(3)]
    return np.stack(mixed, axis=-1).round().astype(np.uint8)


def _png(pixels: NDArray[np.uint8]) -> bytes:
    """Return pixels, shape ``(height, width, 3)``, as PNG."""
    file = io.BytesIO()
    with av.open(file, "w", format="image2pipe") as container:
        stream: Any = container.add_stream("png", rate=1)
        stream.height, stream.width = pixels.shape[:2]
        stream.pix_fmt = "rgb24"
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()
