"""No list and no folder takes more memory than its limits allow, or ends the program."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.fuzzing import examples

from streamgenre.errors import InputError
from streamgenre.sources.files.file import decode
from streamgenre.sources.files.listing import is_playlist, list_files, list_stations
from streamgenre.sources.playlist_formats import entries, is_hls, is_list, is_text
from streamgenre.sources.stream.station_lists import streams
from streamgenre.urls import is_stream

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_MB = 40
MEASURE = """
    import resource, sys
    from pathlib import Path
    import av
    import streamgenre.sources.files.playlist
    from streamgenre.errors import InputError
    from streamgenre.sources.files.listing import is_playlist, list_files, list_stations
    from streamgenre.sources.stream.station_lists import streams

    path = Path(sys.argv[1])
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    def peak():
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
    before = peak()
    assert is_playlist(path)
    if path.is_file():
        list_stations(path)
        try:
            with path.open("rb") as file:
                streams(file.read(1 << 20), "http://radio.example/", "list")
        except InputError:
            pass
    listing = list_files(path)
    print(peak() - before, len(listing.tracks), listing.problems[0])
"""


def lines(path: Path, line: str, count: int, head: str = "") -> Path:
    with path.open("w", encoding="utf-8") as file:
        file.write(head)
        for number in range(count):
            file.write(line.format(number))
    return path


def one_line(folder: Path) -> Path:
    with (folder / "a.m3u").open("wb") as file:
        for _ in range(100):
            file.write(b"x" * 1_000_000)
    return folder / "a.m3u"


def utf_16(folder: Path) -> Path:
    text = "".join(f"#EXTINF:1,Title {n}\nmusic/{n}.mp3\n" for n in range(110_000))
    (folder / "a.m3u").write_text(text, encoding="utf-16")
    return folder / "a.m3u"


HUGE: dict[str, Callable[[Path], Path]] = {
    "pls": lambda d: lines(d / "a.pls", "File{0}=m/{0}.mp3\n", 1_000_000, "[playlist]\n"),
    "pls with titles": lambda d: lines(
        d / "a.pls", "File{0}=m/{0}.mp3\nTitle{0}=Ä {0} \U0001f600\n", 120_000, "[playlist]\n"
    ),
    "m3u": lambda d: lines(d / "a.m3u", "#EXTINF:1,Ä - {0}\nmusic/{0}.mp3\n", 120_000),
    "comments": lambda d: lines(d / "a.m3u", "#\n", 1_000_000),
    "xspf": lambda d: lines(
        d / "a.xspf",
        "<track><location>{0}.mp3</location><title>{0}</title></track>",
        120_000,
        "<playlist><trackList>",
    ),
    "one track": lambda d: lines(
        d / "a.xspf", "<location>{0}.mp3</location>", 120_000, "<playlist><track>"
    ),
    "asx": lambda d: lines(d / "a.asx", "<entry><ref href='{0}.mp3'/></entry>", 120_000, "<asx>"),
    "stations": lambda d: lines(d / "a.m3u", "http://radio.example/{0}\n", 120_000),
    "problems": lambda d: lines(d / "a.m3u", "ftp://radio.example/{0}\n", 120_000),
    "one line": one_line,
    "utf-16": utf_16,
}


@pytest.mark.parametrize("kind", HUGE)
def test_a_huge_list_takes_little_memory(tmp_path: Path, kind: str) -> None:
    path = HUGE[kind](tmp_path)
    code = textwrap.dedent(MEASURE)
    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    grown, files, *problem = done.stdout.split(" ", 2)
    assert float(grown) < MOST_MB
    assert int(files) <= 100_000
    assert "only the first" in problem[0] or "is not a file" in problem[0]


def test_a_folder_is_read_up_to_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamgenre.sources.files.tracks.MAX_ENTRIES", 500)
    for number in range(600):
        (tmp_path / f"{number}.mp3").touch()
    listing = list_files(tmp_path)
    assert len(listing.tracks) == 499  # the folder itself counts
    assert listing.looked_at == 501
    assert listing.problems == ["only the first 500 entries are read"]


def test_deep_folders_and_circles_of_links_end(tmp_path: Path) -> None:
    place = tmp_path
    for _ in range(1200):  # more than Python calls itself
        place = place / "d"
    made = tmp_path
    for _ in range(1200):
        made = made / "d"
        made.mkdir()
    (place / "1.mp3").touch()
    (place / "up").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to("self")
    (tmp_path / "x.mp3").symlink_to("y.mp3")
    (tmp_path / "y.mp3").symlink_to("x.mp3")
    try:
        assert [file.name for file in list_files(tmp_path).files] == ["x.mp3", "y.mp3", "1.mp3"]
    finally:  # pytest's own clean-up calls itself once a level
        subprocess.run(["rm", "-r", tmp_path / "d"], check=True)


# ---- formats ------------------------------------------------------------------------------------

PAIR = ["http://a.example/jazz", "http://b.example/x?y=1&z=2"]
XSPF = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<!-- <track><location>http://no.example/'
    '</location></track> -->\n<x:playlist version="1" xmlns:x="http://xspf.org/ns/0/">'
    "<x:location>http://no.example/list</x:location><x:trackList>"
    "<x:track><x:title>Jazz &amp; more</x:title>"
    "<x:location><![CDATA[ http://a.example/jazz ]]></x:location></x:track>"
    "<x:track><x:LOCATION>\nhttp://b.example/x?y=1&amp;z=2\n</x:LOCATION></x:track>"
    "</x:trackList></x:playlist>"
)
LISTS = {
    "comment above the head": "; made by hand\n# twice\n\n[playlist]\nFile1={0}\nFile2={1}\n",
    "capitals": "[PLAYLIST]\r\nFILE1 = {0}\r\nfile2={1}\r\n",
    "no head": "File1={0}\nTitle1=Jazz\nFile2={1}\n",
    "carriage returns": "[playlist]\rFile1={0}\rFile2={1}\r",
    "reference": "[Reference]\nRef1={0}\nRef2={1}\n",
    "m3u": "#EXTM3U\n#EXTINF:-1,Jazz\n{0}\n#EXTINF:-1,\n\n{1}\n",
    "m3u in small letters": "#extm3u\n{0}\n{1}",
    "m3u with a comment above": "# a station\n{0}\r{1}\r",
    "lines": "{0}\n{1}\n",
    "xspf": XSPF,
    "asx": '<ASX VERSION="3.0">\n<!-- x --><Entry><REF HREF = "{0}" /></Entry>'
    "<entry><ref\nhref='http://b.example/x?y=1&amp;z=2'></entry></ASX>",
    "asx without quotes": "<asx><entry><ref href={0} /></entry><ref href='{1}'></asx>",
}
CHARSETS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]


@pytest.mark.parametrize("charset", CHARSETS)
@pytest.mark.parametrize("kind", LISTS)
def test_a_list_is_recognised_by_its_content_in_any_charset(kind: str, charset: str) -> None:
    data = LISTS[kind].replace("{0}", PAIR[0]).replace("{1}", PAIR[1]).encode(charset)
    assert is_list(data)
    assert is_text(data)
    assert streams(data, "http://radio.example/", "list")[:2] == PAIR


@pytest.mark.parametrize(
    "head",
    [
        b"\xff\xfb\x90\x64\0\0\0\0",
        b"\xff\xfe\x90\x64\0\0\0\0",
        b"\xff\xf1\x50\x80\x02\x1f\xfc",
        b"ID3\x04\0\0\0\0\0\0",
        b"OggS\0\x02\0\0\0\0",
        b"fLaC\0\0\0\x22",
        b"\0\0\0\x20ftypM4A ",
        b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",
        b"G@\0\x10\0\0\xb0\x0d\0\x01",
        b"RIFF\x24\0\0\0WAVEfmt ",
        b"",
        b" \r\n",
    ],
)
def test_audio_is_not_taken_for_a_list(head: bytes) -> None:
    assert not is_list(head)
    assert not is_text(head)


@pytest.mark.parametrize(
    "text",
    [
        "<!doctype html><html><a href='http://a.example/'>x</a></html>",
        "Welcome to http://a.example/ and enjoy\nhttp://b.example/\n",
        '{"stream": "http://a.example/"}',
        "<?xml version='1.0'?><rss><link>http://a.example/</link></rss>",
    ],
)
def test_other_text_is_not_taken_for_a_list(text: str) -> None:
    assert not is_list(text.encode())


def test_quotes_and_bytes_of_another_charset_in_urls() -> None:
    data = b'[playlist]\nFile1="http://a.example/caf\xe9"\nFile2=HTTP://b.example/\n'
    found = streams(data, "http://radio.example/", "list")
    assert found == ["http://a.example/caf%E9", "http://b.example/"]


def test_a_cue_sheet_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.cue"
    path.write_text('REM GENRE Jazz\nFILE "a.wav" WAVE\n  TRACK 01 AUDIO\n    INDEX 01 00:00:00\n')
    with pytest.raises(InputError, match="is a cue sheet, not audio; play the file"):
        list(decode(path))


def test_entities_are_neither_expanded_nor_fetched(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("http://secret.example/")
    lol = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "x" * 100}">' for n in range(20))
    path = tmp_path / "a.xspf"
    path.write_text(
        f'<?xml version="1.0"?><!DOCTYPE playlist [{lol}'
        f'<!ENTITY f SYSTEM "file://{tmp_path}/secret"><!ENTITY h SYSTEM "http://127.0.0.1:1/">]>'
        "<playlist><trackList><track><location>&f;</location></track><track><location>&h;"
        "</location></track><track><location>&l19;</location></track></trackList></playlist>"
    )
    found = [entry.place for entry in entries(path.read_bytes())]
    assert found == ["&f;", "&h;", "&l19;"]
    assert list_files(path).streams == []


def test_a_list_without_a_known_suffix_is_a_list(tmp_path: Path) -> None:
    path = tmp_path / "stations.txt"
    path.write_text("#EXTM3U\nhttp://a.example/jazz\nhttp://b.example/x\n")
    assert is_playlist(path)
    assert list_stations(path) == ["http://a.example/jazz", "http://b.example/x"]
    (tmp_path / "notes").write_text("something else\n")
    assert not is_playlist(tmp_path / "notes")
    path.write_text("http://a.example/jazz\n1.wav\n")
    assert list_stations(path) == []  # of files as well


# ---- arbitrary text -----------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        *("#EXTM3U\n", "#EXTINF:1,", "#EXT-X-", "[playlist]\n", "File1=", "Title1=", "\n", "\r"),
        *("<playlist>", "<track>", "</track>", "<location>", "</location>", "<![CDATA[", "]]>"),
        *("<!--", "-->", "<!DOCTYPE", "<asx>", "<ref href=", "<entry>", "'", '"', ">", "&#xd800;"),
        *("http://", "http://[", "file://", "../", "%00", "%2e", "\0", "\ufeff", "\\", "/dev/zero"),
        *("&amp;", "x.m3u", "1.wav", "\udc80", "\udcff\udcfe", "a" * 9000, ":", " ", ";"),
    ]
)
TEXT = st.lists(PIECES | st.text(max_size=6), max_size=25).map("".join)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lists")


@given(
    text=TEXT,
    charset=st.sampled_from(["utf-8", "utf-16", "utf-16-le", "latin-1"]),
    name=st.sampled_from(["x.m3u", "x.m3u8", "x.pls", "x.xspf", "x.asx", "x"]),
)
@example(text="<ref href='\udcff.mp3'>", charset="utf-8", name="x.xspf")
@examples(150)
def test_no_text_breaks_the_readers(folder: Path, text: str, charset: str, name: str) -> None:
    errors = "surrogateescape" if charset == "utf-8" else "replace"
    data = text.encode(charset, errors=errors)
    path = folder / name
    path.write_bytes(data)
    is_hls(data)
    is_list(data)
    is_text(data)
    if is_playlist(path) and not is_hls(data):
        listing = list_files(path)
        for track in listing.tracks:
            assert isinstance(track.file, Path)
            assert track.title is None or track.title.raw
        list_stations(path)
    with suppress(InputError):
        for url in streams(data, "http://radio.example/a/b", "list"):
            assert is_stream(url)
            url.encode()
