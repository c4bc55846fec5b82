#!/bin/sh
# Prints a line whenever a station's genre changes. Usage: genres.sh [flags of `subscribe`]
streamgenre subscribe --type update "$@" |
    jq --unbuffered -r '[.station, .genre // .state] | @tsv' |
    awk -F '\t' '$2 != last[$1] { print; fflush(); last[$1] = $2 }'
