"""``/api/clips``: the clips that wait for a label, for those who are logged in."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import FileResponse, Response

from streamgenre.clips.clip import NO_MUSIC, clip_json
from streamgenre.clips.folder import has_index
from streamgenre.clips.genres import genre_problem
from streamgenre.clips.store import ClipStore
from streamgenre.errors import ClipError, nearest
from streamgenre.web.answers import json_answer
from streamgenre.web.bodies import read_json
from streamgenre.web.endpoints import Endpoint, Parameter, error
from streamgenre.web.guard import check_change
from streamgenre.web.navigation import may_label

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from starlette.requests import Request

    from streamgenre.web.site import Site

MOST: Final = 200
"""Most clips in one answer."""
_MAX_ID: Final = 2**53 - 1
_ONE: Final = asyncio.Semaphore(4)
"""Requests to the index at the same time."""


def check_rights(request: Request) -> None:
    """Refuse those who may not hear clips: see :func:`~streamgenre.web.navigation.may_label`.

    Raises
    ------
    HTTPException
        403 where nobody logs in, or the page is read-only; 404 where no clips are kept.
    """
    site: Site = request.app.state.site
    if site.settings.clips is None:
        raise error(404, "no clips are kept: `streamgenre listen --keep-uncertain SECONDS`")
    if not site.settings.web.allow_control:
        raise error(403, "this page is read-only; start it with --allow-control to label clips")
    if not may_label(request):
        raise error(
            403,
            "clips are for those who log in: set a password with `streamgenre web passwd`",
        )


async def _asked(
    request: Request, question: Callable[[ClipStore], Any], nothing: Any = None
) -> Any:
    """Return the answer of a function that gets the clips, in another thread.

    Where no clips are kept yet the answer is ``nothing``; None for an error.
    """
    site: Site = request.app.state.site
    folder = site.settings.clips
    assert folder is not None

    def ask() -> Any:
        if not has_index(folder):
            if nothing is None:
                raise error(404, "no clips are kept yet")
            return nothing
        with closing(ClipStore(folder)) as store:
            return question(store)

    async with _ONE:
        try:
            return await asyncio.to_thread(ask)
        except ClipError as problem:
            raise error(503, str(problem)) from problem


async def listed(request: Request) -> Response:
    """Return the clips, those without a label first."""
    check_rights(request)
    site: Site = request.app.state.site
    assert site.settings.clips is not None

    def read(store: ClipStore) -> dict[str, Any]:
        clips = store.clips()
        return {
            "clips": [clip_json(clip) for clip in clips[:MOST]],
            "genres": store.genres(),
            "waiting": sum(clip.label is None for clip in clips),
        }

    nothing = {"clips": [], "genres": [], "waiting": 0}
    return json_answer(request, await _asked(request, read, nothing))


async def audio(request: Request) -> Response:
    """Return the audio of a clip."""
    check_rights(request)
    number = request.state.parameters["id"]

    def find(store: ClipStore) -> Path | None:
        clip = store.get(number)
        path = None if clip is None else store.path(clip)
        return path if path is not None and path.is_file() else None

    path = await _asked(request, find)
    if path is None:
        raise error(404, "there is no such clip any more")
    # Some browsers play only what they can ask for in parts.
    return FileResponse(path, 200, {"Cache-Control": "private, no-store"}, "audio/flac")


async def change(request: Request) -> Response:
    """Label, skip or delete a clip, or take that back."""
    check_rights(request)
    check_change(request)
    body = await read_json(request)
    number, what, label = body.get("id"), body.get("do"), body.get("label")
    if isinstance(number, float) and number.is_integer():
        number = int(number)  # in JSON 1.0 is a whole number too
    fits = isinstance(number, int) and not isinstance(number, bool) and 0 < number <= _MAX_ID
    if not fits or what not in _DO or set(body) - {"id", "do", "label", "new"}:
        raise error(400, f'expected {{"id": NUMBER, "do": one of {", ".join(_DO)}}}')
    wrong = not isinstance(label, str) if what == "label" else len(body) > 2
    if wrong or not isinstance(body.get("new", False), bool):
        raise error(400, 'expected a text as "label" with "do": "label", and only there')

    def do(store: ClipStore) -> bool:
        assert isinstance(number, int)
        if what == "label":
            assert isinstance(label, str)
            return _label(store, number, label, new=body.get("new", False))
        return bool(_DO[str(what)](store, number))

    if not await _asked(request, do):
        raise error(409, "the clip was labelled or deleted meanwhile; nothing was changed")
    return json_answer(request, {"ok": True})


def _label(store: ClipStore, number: int, label: str, *, new: bool) -> bool:
    clip = store.get(number)
    if clip is None:
        return False
    known = {*clip.facts.probabilities, *store.genres(), NO_MUSIC}
    # Genres that differ in upper and lower case only are the same one.
    label = {name.casefold(): name for name in known}.get(label.casefold(), label)
    if label not in known:
        if problem := genre_problem(label):
            raise error(400, problem)
        if not new:
            words = f"{label!r} is not a genre of this station's model{nearest(label, known)}"
            raise error(400, f'{words}; "new": true adds it')
    return store.set_label(number, label)


_DO: Final[dict[str, Callable[[ClipStore, int], object]]] = {
    "label": lambda store, number: None,
    "unlabel": lambda store, number: store.remove_label(number),
    "skip": lambda store, number: store.skip(number),
    "unskip": lambda store, number: store.skip(number, -1),
    "delete": lambda store, number: store.delete(number),
}

_ID: Final = {"type": "integer", "minimum": 1, "maximum": _MAX_ID}
_CLIP: Final = {
    "type": "object",
    "properties": {"id": _ID, "station": {"type": "string"}, "start": {"type": "number"}},
    "required": ["id", "station", "start", "end", "top", "label", "no_music"],
}

ENDPOINTS: Final = (
    Endpoint(
        "/api/clips",
        listed,
        f"Clips, those that wait for a label first, at most {MOST}; only with a login and "
        "`--allow-control`.",
        answer={
            "type": "object",
            "properties": {
                "clips": {"type": "array", "items": _CLIP},
                "genres": {"type": "array", "items": {"type": "string"}},
                "waiting": {"type": "integer"},
            },
            "required": ["clips", "genres", "waiting"],
        },
        errors=(403, 404, 503),
    ),
    Endpoint(
        "/api/clips/audio",
        audio,
        "The audio of a clip.",
        parameters=(Parameter("id", "id of the clip", _ID, required=True),),
        media="audio/flac",
        errors=(403, 404, 503),
    ),
    Endpoint(
        "/api/clips/change",
        change,
        "Label a clip (`label`, an empty text for no music; `new` allows a genre that its model "
        "lacks), `unlabel`, `skip`, `unskip` or `delete` it. Pages send `X-CSRF-Token`.",
        method="POST",
        body={
            "oneOf": [
                {
                    "type": "object",
                    "properties": {
                        "id": _ID,
                        "do": {"const": "label"},
                        "label": {"type": "string"},
                        "new": {"type": "boolean"},
                    },
                    "required": ["id", "do", "label"],
                    "additionalProperties": False,
                },
                {
                    "type": "object",
                    "properties": {
                        "id": _ID,
                        "do": {"enum": [name for name in _DO if name != "label"]},
                    },
                    "required": ["id", "do"],
                    "additionalProperties": False,
                },
            ]
        },
        answer={
            "type": "object",
            "properties": {"ok": {"const": True}},
            "required": ["ok"],
        },
        errors=(403, 404, 409, 503),
    ),
)
