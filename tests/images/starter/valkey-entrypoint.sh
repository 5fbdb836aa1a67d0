#!/bin/sh
# Starts Valkey; options and a configuration file may be given without the program's name.
set -eu
case ${1:-} in
'' | -* | *.conf) set -- valkey-server "$@" ;;
esac
exec "$@"
