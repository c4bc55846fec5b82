#!/bin/sh
# Prints a line whenever a station's genre changes. Usage: genres.sh [flags of `subscribe`]
# All in jq: some versions of awk and sed hold lines back.
streamgenre subscribe --type update "$@" |
    jq --unbuffered -nr 'foreach inputs as $event ({};
        ($event.genre // $event.state) as $now |
        .changed = .[$event.station] != $now | .[$event.station] = $now;
        if .changed then [$event.station, $event.genre // $event.state] | @tsv else empty end)'
