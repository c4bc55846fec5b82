"""Which stations can switch to another model while they run, and words for those that cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streamgenre.errors import ControlError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from streamgenre.inference.manifest import Manifest

_NAMED: Final = 5
"""Most stations that a message names."""


def unknown_station(name: str, there: Iterable[str]) -> ControlError:
    """Return the error about a station that does not exist.

    Parameters
    ----------
    name
        What was asked for.
    there
        Names of the stations.
    """
    names = list(there)
    listed = ", ".join(map(repr, names)) or "none"
    return ControlError(f"no station {name!r}: there are {listed}{nearest(name, names)}")


def check_features(wanted: Manifest, present: Mapping[str, Manifest]) -> None:
    """Check that stations can go on with another model.

    Parameters
    ----------
    wanted
        The other model.
    present
        The models of the stations, by station.

    Raises
    ------
    ControlError
        If a station's model has other features; it names the station, and says what to do.
    """
    other = {n: m.name for n, m in present.items() if m.features != wanted.features}
    if not other:
        return
    model = wanted.name
    first, its = next(iter(other.items()))
    also = f" (nor can {_listed(list(other)[1:])} switch)" if len(other) > 1 else ""
    fitting = [name for name in present if name not in other]
    rest = f"; --station switches one of the others ({_listed(fitting)})" if fitting else ""
    raise ControlError(
        f"nothing was switched: station {first!r} uses model {its}, and model {model} needs other "
        f"features than {its}{also}. Set model = "
        f'"{model}" for the station in the configuration and reload, which restarts the station, '
        f"or start the daemon with --model {model}{rest}"
    )


def _listed(names: list[str]) -> str:
    return ", ".join(map(repr, names[:_NAMED])) + (", …" if len(names) > _NAMED else "")
