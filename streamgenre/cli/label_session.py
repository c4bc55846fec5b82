"""The dialogue of ``streamgenre label``: one clip after another, keys as in a mail reader."""

from __future__ import annotations

import sys
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from streamgenre.clips.clip import NO_MUSIC
from streamgenre.clips.genres import genre_problem
from streamgenre.display.text import clean
from streamgenre.errors import InputError, nearest
from streamgenre.history.time_zones import local

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamgenre.cli.label_player import Player
    from streamgenre.clips.clip import Clip
    from streamgenre.clips.store import ClipStore

KEYS: Final = {
    "s": "skip",
    "n": "no music",
    "p": "play again",
    "d": "delete",
    "u": "undo",
    "?": "help",
    "q": "quit",
}


class _Done(NamedTuple):
    """An answer, so that it can be undone."""

    what: str
    """``label``, ``skip`` or ``delete``."""
    clip: Clip


class Session:
    """Walks through the clips without a label until there are none, or the user quits.

    A clip is deleted with the next answer, so that this can be undone too.

    Parameters
    ----------
    store
        The clips.
    player
        Plays them.
    """

    def __init__(self, store: ClipStore, player: Player) -> None:
        self._store = store
        self._player = player
        self._done: list[_Done] = []
        self._counts: Counter[str] = Counter()
        self._away: set[int] = set()  # skipped or about to be deleted in this session
        self._genres: list[str] = []
        self._asked_before = False

    def run(self) -> int:
        """Ask about clip after clip; return the exit code."""
        if self._store.unlabelled() is None:
            print("no clips without a label; `streamgenre label --list` lists the others")
            return 0
        _complete(lambda: self._genres)
        try:
            while (clip := self._store.unlabelled(self._away)) is not None:
                if not self._ask(clip):
                    break
        finally:
            self._player.stop()
            self._delete_pending()
        self._summarise()
        return 0

    # ---- one clip ------------------------------------------------------------------------------

    def _ask(self, clip: Clip) -> bool:
        """Show a clip and take answers until one settles it; return False to quit."""
        self._show(clip)
        while True:
            answer = _line("genre, or s n p d u ? q: ")
            if answer is None or answer == "q":
                return False
            if answer == "?":
                self._help()
            elif answer == "p":
                self._play(clip)
            elif answer == "u":
                if self._undo():
                    return True
            elif answer == "s":
                self._store.skip(clip.id)
                self._settle("skip", clip)
                return True
            elif answer == "d":
                self._settle("delete", clip)
                return True
            elif answer == "n":
                self._label(clip, NO_MUSIC)
                return True
            elif answer and (genre := self._genre(answer)) is not None:
                self._label(clip, genre)
                return True

    def _show(self, clip: Clip) -> None:
        facts = clip.facts
        genres = [*facts.probabilities]
        genres += [name for name in self._store.genres() if name not in genres]
        if genres != self._genres:
            self._genres = genres
            self._help()
        waiting = sum(c.label is None and c.id not in self._away for c in self._store.clips())
        when = local(facts.start, None).strftime("%a %Y-%m-%d %H:%M:%S")
        print(f"\n{clean(facts.station)}   {when}   {waiting} to label")
        if facts.title or facts.artist:
            print("  " + " - ".join(clean(each) for each in (facts.artist, facts.title) if each))
        top = [f"{genres.index(name) + 1} {clean(name)} {p:.0%}" for name, p in facts.top]
        tags = ", ".join(f"{clean(name)} {p:.0%}" for name, p in (facts.tags or {}).items())
        print(f"  {',  '.join(top)}" + (f"   ({tags})" if tags else ""))
        self._play(clip)

    def _play(self, clip: Clip) -> None:
        path = self._store.path(clip)
        try:
            self._player.play(path)
        except InputError as error:
            print(f"  {error}; d deletes it, s skips it")
            return
        if not self._player.plays:
            print(f"  {path}")

    def _help(self) -> None:
        numbered = [f"{i} {clean(name)}" for i, name in enumerate(self._genres, start=1)]
        print("genres: " + ", ".join(numbered))
        print("keys:   " + ", ".join(f"{key} {what}" for key, what in KEYS.items()))

    def _genre(self, answer: str) -> str | None:
        """Return the genre that an answer means; None if it means none."""
        if answer.isascii() and answer.isdigit():
            number = int(answer[:9])
            if 1 <= number <= len(self._genres):
                return self._genres[number - 1]
            print(f"  no genre {answer}: expected 1 to {len(self._genres)}")
            return None
        answer = unicodedata.normalize("NFC", answer)
        folded = answer.casefold()
        exact = [name for name in self._genres if name.casefold() == folded]
        begun = exact or [name for name in self._genres if name.casefold().startswith(folded)]
        if len(begun) == 1:
            return begun[0]
        if begun:
            print(f"  {answer!r} may be {', '.join(map(clean, begun))}; write more of it")
            return None
        if problem := genre_problem(answer):
            print(f"  {problem}")
            return None
        hint = nearest(answer, self._genres)
        known = f"{answer!r} is not a genre of this station's model{hint or '.'}"
        reply = _line(f"  {known} Add it as a new genre? [y/N] ")
        return answer if reply is not None and reply.lower() in ("y", "yes") else None

    # ---- answers -------------------------------------------------------------------------------

    def _label(self, clip: Clip, label: str) -> None:
        if self._store.set_label(clip.id, label):
            self._settle("label", clip)
            return
        now = self._store.get(clip.id)
        if now is None:
            print("  it was deleted meanwhile")
        else:
            said = clean(now.label) if now.label else "no music"
            print(f"  it was labelled meanwhile, as {said}; this answer is not stored")

    def _settle(self, what: str, clip: Clip) -> None:
        self._delete_pending()
        self._done.append(_Done(what, clip))
        self._counts[what] += 1
        if what != "label":
            self._away.add(clip.id)

    def _delete_pending(self) -> None:
        if self._done and self._done[-1].what == "delete":
            self._store.delete(self._done[-1].clip.id)
            self._done.clear()  # nothing before it can be undone

    def _undo(self) -> bool:
        if not self._done:
            print("  nothing to undo")
            return False
        last = self._done.pop()
        self._counts[last.what] -= 1
        self._away.discard(last.clip.id)
        if last.what == "label":
            self._store.remove_label(last.clip.id)
        elif last.what == "skip":
            self._store.skip(last.clip.id, -1)
        print("  undone")
        return True

    def _summarise(self) -> None:
        words = {"label": "labelled", "skip": "skipped", "delete": "deleted"}
        said = ", ".join(f"{n} {words[what]}" for what, n in self._counts.items() if n)
        left = sum(clip.label is None for clip in self._store.clips())
        print(f"{said or 'nothing changed'}; {left} clips without a label")
        if self._counts["label"]:
            print("`streamgenre teach --update` learns from the labels")


def _line(prompt: str) -> str | None:
    """Return the user's answer; None at the end of the input."""
    if sys.stdin is None:  # it was closed before the start
        return None
    try:
        answer = input(prompt).strip()
    except (EOFError, KeyboardInterrupt):
        print()
        return None
    except UnicodeDecodeError:
        return ""
    if not sys.stdin.isatty():
        print(clean(answer))  # as a terminal shows what is typed
    return answer


def _complete(genres: Callable[[], list[str]]) -> None:
    """Have Tab complete the names of genres, in a terminal."""
    if sys.stdin is None or not sys.stdin.isatty():
        return
    try:
        import readline
    except ImportError:
        return

    def complete(text: str, state: int) -> str | None:
        found = [name for name in genres() if name.casefold().startswith(text.casefold())]
        return found[state] if state < len(found) else None

    readline.set_completer(complete)
    readline.set_completer_delims("")
    readline.parse_and_bind("tab: complete")
