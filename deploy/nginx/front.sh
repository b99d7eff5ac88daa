#!/bin/sh
# Writes nginx's configuration to FRONT_FOLDER and becomes nginx. `make run` and docker-compose.yml both start it.
#   FRONT_LISTEN                    the address to listen on
#   FRONT_WEB, FRONT_LIVE           the addresses of web and live
#   FRONT_FLOWER                    the address of Flower
#   FRONT_FLOWER_LOGIN              its log-in, user:password, which only front and Flower know
#   FRONT_TRUSTED                   proxies in front of this one, separated by commas
#   FRONT_NGINX                     the program, by default the nginx on the PATH
#   CONNECTION_LIMIT, STREAM_LIMIT  requests and event streams that one address may have open; 0 for no limit
set -eu

MOST_CONNECTIONS=16384
NO_LIMIT=65535

limit() {
    if [ "$1" = 0 ]; then echo $NO_LIMIT; else echo "$1"; fi
}

# As many open files as this user may have; some remain for temporary files.
ulimit -n "$(ulimit -Hn)"
files=$(ulimit -n)
connections=$MOST_CONNECTIONS
if [ "$files" != unlimited ] && [ $((files * 3 / 4)) -lt $MOST_CONNECTIONS ]; then
    connections=$((files * 3 / 4))
fi

trusted=
for proxy in $(echo "${FRONT_TRUSTED:-}" | tr ',' ' '); do
    trusted="$trusted set_real_ip_from $proxy;"
done

# In a file of its own, because the arguments of a program are visible to all users.
umask 077
printf 'proxy_set_header Authorization "Basic %s";\n' \
    "$(printf %s "$FRONT_FLOWER_LOGIN" | base64 | tr -d '\n')" >"$FRONT_FOLDER/flower.conf"

sed -e "s|@FOLDER@|$FRONT_FOLDER|g" -e "s|@LISTEN@|$FRONT_LISTEN|" -e "s|@WEB@|$FRONT_WEB|" -e "s|@LIVE@|$FRONT_LIVE|" \
    -e "s|@FLOWER@|$FRONT_FLOWER|" \
    -e "s|@TRUSTED@|$trusted|" -e "s|@CONNECTIONS@|$connections|" \
    -e "s|@CONNECTION_LIMIT@|$(limit "${CONNECTION_LIMIT:-256}")|" -e "s|@STREAM_LIMIT@|$(limit "${STREAM_LIMIT:-256}")|" \
    "$(dirname "$0")/nginx.conf" >"$FRONT_FOLDER/nginx.conf"

exec "${FRONT_NGINX:-nginx}" -e stderr -p "$FRONT_FOLDER" -c "$FRONT_FOLDER/nginx.conf"
