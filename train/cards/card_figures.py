"""A model card's figures in Markdown."""

from __future__ import annotations

from typing import Any, Final

from train.cards.markdown import as_list

_ROWS: Final = (
    ("window", "3 s windows with a fresh state"),
    ("clip", "whole clips (mean probability of the updates from 3 s on)"),
    ("hop", "single updates within a clip, once per second from 3 s on"),
    ("hop_after_10_s", "the update after 10 s of a clip (longer clips only)"),
    ("endless_hop", "single updates, clips played one after the other without a reset"),
)


def figures(evaluation: dict[str, Any]) -> str:
    """Return how good a model is, from its manifest's evaluation."""
    labels = evaluation["window"]["by_genre"]
    lines = [
        as_list(evaluation["method"]),
        "| | accuracy | 95 % interval | by fold | chance |",
        "|---|---|---|---|---|",
    ]
    for key, title in _ROWS:
        if key in evaluation:
            lines.append(_row(title, evaluation[key], evaluation["chance"]))
    lines += [
        "",
        "Share right by genre, all folds together:\n",
        "| | " + " | ".join(labels) + " |",
        "|---" * (len(labels) + 1) + "|",
        *(
            f"| {key} | "
            + " | ".join(f"{evaluation[key]['by_genre'][label]:.2f}" for label in labels)
            + " |"
            for key in ("window", "clip")
        ),
        "",
        _confusion(evaluation["confusion"]),
        _calibration(evaluation["calibration"]),
    ]
    for key, write in (
        ("music", _music),
        ("known", _known),
        ("tags", _tags),
        ("speech", _speech),
        ("noise", _noise),
        ("room", _room),
        ("variants", _variants),
        ("programmes", _programmes),
    ):
        if key in evaluation:
            lines.append(write(evaluation[key]))
    return "\n".join(lines)


def _row(title: str, figure: dict[str, Any], chance: float) -> str:
    low, high = figure["ci95"]
    by_fold = ", ".join(f"{value:.2f}" for value in figure["by_fold"])
    return (
        f"| {title} | **{figure['accuracy']:.3f}** | {low:.3f} to {high:.3f} | {by_fold} | "
        f"{chance:.2f} |"
    )


def _confusion(table: dict[str, Any]) -> str:
    width = max(len(label) for label in table["labels"]) + 1
    rows = [
        " " * width + "".join(f"{label[:6]:>7}" for label in table["labels"]),
        *(
            f"{label:<{width}}" + "".join(f"{count:>7}" for count in counts)
            for label, counts in zip(table["labels"], table["counts"], strict=True)
        ),
    ]
    return (
        "Confusion matrix (row: true genre; column: what its clips were taken for; [as a "
        "picture](confusion.svg)):\n\n"
        "```\n" + "\n".join(rows) + "\n```\n"
    )


def _calibration(figure: dict[str, Any]) -> str:
    text = (
        f"Calibration: expected calibration error of the updates {figure['ece_at_1']:.3f} before "
        f"and {figure['ece']:.3f} after the temperature {figure['temperature']:.2f}"
    )
    if "ece_cross_fitted" in figure:
        text += f" ({figure['ece_cross_fitted']:.3f} when fitted without the fold measured)"
    return text + ".\n"


def _variants(figure: dict[str, Any]) -> str:
    by_genre = ", ".join(f"{g} {share:.2f}" for g, share in figure["clip"]["by_genre"].items())
    low, high = figure["clip"]["ci95"]
    return (
        f"Other recordings of held-out clips ({figure['clips']} files, such as over the air "
        f"through a microphone, never trained on; only {', '.join(figure['clip']['by_genre'])}): "
        f"whole recordings **{figure['clip']['accuracy']:.3f}** ({low:.3f} to {high:.3f}; "
        f"{by_genre}), 3 s windows {figure['window']['accuracy']:.3f}.\n"
    )


def _speech(figure: dict[str, Any]) -> str:
    plain, called = figure["against_music"], figure["called_speech"]
    low, high = plain["ci95"]

    def share(name: str) -> str:
        return f"{called[name]:.1%}" if name in called else "not measured"

    genres = {
        name: value
        for name, value in called.items()
        if not name.startswith(("speech", "music", "noise", "room ", "others "))
    }
    worst = sorted(genres, key=genres.__getitem__, reverse=True)[:3]
    return (
        f"Speech against music, {figure['of']}: **{plain['accuracy']:.3f}** ({low:.3f} to "
        f"{high:.3f}; chance 0.5; {plain['windows']} windows), calibration error "
        f"{figure['ece']:.3f}. Called speech: speech {share('speech')}, music without genres "
        f"{share('music')}, noise alone {share('noise')}, the genres "
        f"{sum(genres.values()) / max(len(genres), 1):.1%} (most: "
        + ", ".join(f"{name} {genres[name]:.1%}" for name in worst)
        + ")"
        + (
            f". Through other loudspeakers, rooms, codecs and noise: speech "
            f"{share('speech, changed')}, music {share('music, changed')}, noise "
            f"{share('noise, changed')}"
            if "speech, changed" in called
            else ""
        )
        + ".\n"
    )


def _music(figure: dict[str, Any]) -> str:
    lines = [
        f"Whether there is music, {figure['of']} (calibration error {figure['ece']:.3f}):\n",
        "| sound | called music | windows |",
        "|---|---|---|",
    ]
    for what, found in figure["called_music"].items():
        lines.append(f"| {what} | {found['share']:.1%} | {found['windows']} |")
    return "\n".join([*lines, ""])


def _known(figure: dict[str, Any]) -> str:
    """Return how well the model tells music of other genres from its own."""
    clean, degraded = figure["clean"], figure["degraded"]
    best = max(
        (name for name in clean["scores"] if name != "head"),
        key=lambda name: clean["scores"][name]["auroc"],
    )
    lines = [
        f"Music of other genres, {figure['of']}. Area under the receiver's curve, and share of it "
        "that still gets a genre where 95 % of the known music is kept, with intervals by artist "
        f"and package (the best score without the head is the {best}):\n",
        "| | area | gets a genre | degraded: area | gets a genre |",
        "|---|---|---|---|---|",
    ]
    for name, title in (("head", "output `known`"), (best, best)):
        cells = []
        for found in (clean["scores"][name], degraded["scores"][name]):
            for key, digits in (("auroc", "{:.3f}"), ("called_at_95", "{:.2f}")):
                low, high = (digits.format(value) for value in found[f"{key}_ci95"])
                cells.append(f"{digits.format(found[key])} ({low} to {high})")
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    lines += [
        "\nAfter the decision stage, by the second, genres decided by a linear head on the same "
        "embedding:\n",
        "| | without the output | with it |",
        "|---|---|---|",
    ]
    before, after = (figure["decision"][name] for name in ("genres alone", "with the head"))
    for sound in ("clean", "degraded"):
        for key, title in _DECIDED.items():
            if before[sound][key] is not None:
                lines.append(
                    f"| {sound}: {title} | {before[sound][key]:.1%} | {after[sound][key]:.1%} |"
                )
    kinds = figure["clean"]["head_by_kind"]
    unheard = ", ".join(
        f"{kind} {found['called_kind_unheard']:.0%} ({found['called']:.0%})"
        for kind, found in kinds.items()
        if "called_kind_unheard" in found
    )
    return "\n".join(
        [
            *lines,
            "",
            "Other music that still gets a genre where 95 % is kept, by a head that was trained "
            f"without music of its kind (in brackets, with it): {unheard}.\n",
            "![Known music kept against other music that gets a genre](open-set.svg)\n",
        ]
    )


_DECIDED: Final = {
    "right": "right genre, ten genres",
    "known_called_unknown": "`unknown`, ten genres",
    "free_known_called_unknown": "`unknown`, free music of one of the ten",
    "other_called_unknown": "`unknown`, music of other genres",
}
"""Figures of the decision stage, and their titles."""


def _tags(figure: dict[str, Any]) -> str:
    mean, by_tag = figure["mean"], figure["by_tag"]
    ranked = sorted(by_tag, key=lambda tag: -by_tag[tag]["clean"])
    each = ", ".join(
        f"{tag} {by_tag[tag]['clean']:.2f} ({by_tag[tag]['degraded']:.2f})" for tag in ranked
    )
    return (
        f"Tags against the teacher on clean sound, {figure['of']}: area under the curve "
        f"{mean['clean']:.2f} on average, {mean['degraded']:.2f} through rooms, microphones, "
        f"codecs and noise (chance 0.5). By tag, degraded in brackets: {each}. Tags that are too "
        "rare there are not measured.\n"
    )


def _room(figure: dict[str, Any]) -> str:
    by_genre = ", ".join(f"{g} {share:.2f}" for g, share in figure["window"]["by_genre"].items())
    low, high = figure["window"]["ci95"]
    later = figure.get("hop_after_10_s")
    return (
        "Simulated room: 12 s of every held-out clip through a shelf loudspeaker, a room that "
        "decays in 0.3 to 0.6 s and noise 10 dB below the music (noise and impulse responses "
        f"unseen in training): 3 s windows **{figure['window']['accuracy']:.3f}** ({low:.3f} "
        f"to {high:.3f}; {by_genre})"
        + (f", the update after 10 s {later['accuracy']:.3f}" if later else "")
        + ".\n"
    )


def _noise(figure: dict[str, Any]) -> str:
    return (
        f"Noise without music, recordings unseen in training ({figure['windows']} windows of 3 s): "
        f"the likeliest genre has a probability of {figure['likeliest']:.2f} on average; in "
        f"{figure['unknown']:.0%} of the windows it is below the decision's threshold.\n"
    )


def _programmes(figures: dict[str, dict[str, Any]]) -> str:
    lines = [
        "Programmes of held-out clips, one endless stream per fold with a change every 5 to 13 s. "
        "`levels` varies the level only; `augmented` also varies loudspeakers, rooms, codecs, "
        "noise from 0 to 30 dB below the music, talk, clipping and tempo. The head was trained on "
        "such programmes of other artists. Measured before the decision stage; every second "
        "counts, including the first after a change; a piece that is never recognised has no "
        "lag:\n",
        "| programme | accuracy by second | lag, median | lag, 90 % | wrong flips per minute |",
        "|---|---|---|---|---|",
    ]
    for name, figure in figures.items():
        lag, late = (
            f"{figure[key]} s" if figure[key] is not None else "never"
            for key in ("lag_median", "lag_p90")
        )
        lines.append(
            f"| {name} | {figure['second']:.3f} | {lag} | {late} | "
            f"{figure['wrong_flips_a_minute']} |"
        )
    lines.append("")
    return "\n".join(lines)


def stream(figure: dict[str, Any]) -> str:
    """Return how good a model is in hours of programme, from the streaming benchmark's figures."""
    second, hop, lag, talk = (figure[key] for key in ("second", "hop", "lag", "speech"))
    hours = sum(figure["seconds"].values()) / 3600
    rows = [
        ("share of seconds right, after the decision stage",
         f"**{second['accuracy']:.3f}** ({second['ci95'][0]:.3f} to {second['ci95'][1]:.3f}; by "
         f"fold {', '.join(f'{v:.2f}' for v in second['by_fold'])}; chance "
         f"{figure['chance']:.2f})"),
        ("the model's likeliest genre alone", f"{hop['accuracy']:.3f}"),
        ("seconds from a change to the first right decision",
         f"median {_seconds(lag['median_s'])}, 90 % {_seconds(lag['p90_s'])}; never right "
         f"{lag['never']:.0%} of {lag['pieces']} pieces"),
        ("wrong flips per minute", f"{figure['flips_a_minute']:.2f}"),
        ("seconds of music called unknown", f"{figure['unknown']:.1%}"),
        ("calibration error, Brier score of an update",
         f"{figure['calibration']['hop']['ece']:.3f}, "
         f"{figure['calibration']['hop']['brier']:.3f}"),
        ("the same after smoothing",
         f"{figure['calibration']['smoothed']['ece']:.3f}, "
         f"{figure['calibration']['smoothed']['brier']:.3f}"),
    ]  # fmt: skip
    if talk["talk_called_speech"] is not None:
        rows.append(
            ("seconds of talk called speech; of music called speech",
             f"{talk['talk_called_speech']:.1%}; {talk['music_called_speech']:.1%}")
        )  # fmt: skip
    if "drift" in figure:
        drift = figure["drift"]
        rows.append(
            (f"drift: {drift['seconds'] / 60:g} min of fold {drift['fold']}, {drift['times']} "
             f"times without a reset, {drift['hours']:g} h",
             f"{drift['first']:.4f} the first time (fresh state), {drift['last']:.4f} the last; "
             f"{drift['decisions_changed']:.2%} of the decisions differ")
        )  # fmt: skip
    genres = second["by_genre"]
    lines = [
        "## On the air\n",
        as_list(figure["method"])
        + f"- {hours:.1f} hours in all, seed {figure['seed']}: `python -m train "
        f"stream-eval FOLDS --corpus DIR --hours {figure['programme']['seconds'] / 3600:g}`, FOLDS "
        "written by `fit --fold-models`.\n",
        "| | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in rows),
        "",
        "| | " + " | ".join(genres) + " |",
        "|---" * (len(genres) + 1) + "|",
        "| seconds right | " + " | ".join(f"{share:.2f}" for share in genres.values()) + " |",
        "",
        "![Share right by the seconds since a change](lag.svg)\n",
        "![Probability against share right](reliability.svg)\n",
        "![What was played and what was decided, an hour of fold 1](timeline.svg)\n",
        "[Confusion matrix of the seconds](stream-confusion.svg).\n",
    ]
    return "\n".join(lines)


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:g} s"
