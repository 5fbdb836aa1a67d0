#!/bin/sh
# Starts PostgreSQL, and first makes a database cluster where there is none.
#
# The cluster appears complete or not at all: it is made in a sibling of $PGDATA, synced, and renamed, so a power cut at
# any instant leaves either nothing or a whole cluster. $PGDATA is therefore a folder inside the volume, never the volume.
#
#   POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE   the owner's password (needed, unless the method is trust)
#   POSTGRES_USER (postgres), POSTGRES_DB (as the user), POSTGRES_INITDB_ARGS, POSTGRES_HOST_AUTH_METHOD (scram-sha-256)
#   /docker-entrypoint-initdb.d/*.sql, *.sql.gz, *.sh   run once, in the order of their names, before the rename
set -eu

fail() {
	echo "postgres-entrypoint: $1" >&2
	exit 1
}

# The value of $1, or the content of the file that $1_FILE names, or $2.
setting() {
	eval "value=\${$1:-} file=\${$1_FILE:-}"
	if [ -n "$value" ] && [ -n "$file" ]; then
		fail "$1 and $1_FILE are both set"
	elif [ -n "$file" ]; then
		cat "$file" || fail "cannot read $file, which $1_FILE names"
	else
		printf '%s' "${value:-$2}"
	fi
}

run_sql() {
	psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username="$user" --host="$unfinished" "$@"
}

run_scripts() {
	for script in /docker-entrypoint-initdb.d/*; do
		case "$script" in
		*.sh) echo "running $script" >&2 && PGHOST="$unfinished" PGUSER="$user" PGDATABASE="$database" sh -eu "$script" ;;
		*.sql) echo "running $script" >&2 && run_sql --dbname="$database" --file="$script" ;;
		*.sql.gz) echo "running $script" >&2 && gzip -dc "$script" | run_sql --dbname="$database" ;;
		esac
	done
}

make_cluster() {
	user=$(setting POSTGRES_USER postgres)
	database=$(setting POSTGRES_DB "$user")
	password=$(setting POSTGRES_PASSWORD '')
	method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
	[ -n "$password" ] || [ "$method" = trust ] || fail "there is no password: set POSTGRES_PASSWORD_FILE"
	unfinished=$PGDATA.unfinished
	rm -rf "$unfinished"
	set -- --pgdata="$unfinished" --username="$user" --encoding=UTF8 --locale-provider=builtin --locale=C.UTF-8 \
		--auth-local=trust --auth-host="$method"
	# What is asked for is a list of options, divided at spaces.
	# shellcheck disable=SC2086
	if [ -n "$password" ]; then
		initdb "$@" ${POSTGRES_INITDB_ARGS:-} --pwfile=/dev/fd/3 3<<-PASSWORD
			$password
		PASSWORD
	else
		initdb "$@" ${POSTGRES_INITDB_ARGS:-}
	fi
	echo "host all all all $method" >>"$unfinished/pg_hba.conf"
	echo "listen_addresses = '*'" >>"$unfinished/postgresql.conf"
	pg_ctl --pgdata="$unfinished" --wait start -o "-c listen_addresses='' -c unix_socket_directories='$unfinished'" >&2
	if [ "$database" != postgres ]; then
		echo 'CREATE DATABASE :"database";' | run_sql --dbname=postgres --set=database="$database"
	fi
	run_scripts
	pg_ctl --pgdata="$unfinished" --wait --mode=fast stop >&2
	sync -f "$unfinished"
	mv -T "$unfinished" "$PGDATA"
	sync -f "$PGDATA"
}

case ${1:-} in
'' | -*) set -- postgres "$@" ;;
esac
if [ "$1" = postgres ]; then
	[ "$(id -u)" != 0 ] || fail "PostgreSQL does not run as root: set runAsUser to 999"
	umask 0077
	if [ ! -s "$PGDATA/PG_VERSION" ]; then
		[ ! -e "$PGDATA" ] || rmdir "$PGDATA" 2>/dev/null ||
			fail "$PGDATA is neither empty nor a database cluster, or it is a volume itself: mount the volume above it"
		make_cluster
	fi
	if [ ! -w /var/run/postgresql ]; then
		echo "postgres-entrypoint: /var/run/postgresql is not writable, so there is no local socket" >&2
		set -- "$@" -c unix_socket_directories=
	fi
fi
exec "$@"
