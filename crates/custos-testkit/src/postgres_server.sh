# programs port user password
set -eu
programs=$1 port=$2 user=$3 password=$4
folder=$(mktemp -d /tmp/custos-postgres.XXXXXX)
finish() {
    "$programs/pg_ctl" --pgdata "$folder/data" --mode immediate --silent stop 2>/dev/null || true
    rm -rf "$folder"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM
cd "$folder"
printf '%s' "$password" >password
"$programs/initdb" --pgdata data --username "$user" --pwfile password --auth scram-sha-256 \
    --encoding UTF8 --locale C --no-sync --no-instructions >log 2>&1 || { cat log >&2; exit 1; }
cat >certificate.conf <<EOF
[req]
distinguished_name = name
x509_extensions = extensions
prompt = no
[name]
CN = localhost
[extensions]
subjectAltName = DNS:localhost
EOF
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
    -config certificate.conf -keyout server.key -out server.crt >log 2>&1 || { cat log >&2; exit 1; }
chmod 600 server.key
cat >>data/postgresql.conf <<EOF
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$folder'
max_connections = 400
ssl = on
ssl_cert_file = '$folder/server.crt'
ssl_key_file = '$folder/server.key'
fsync = off
EOF
"$programs/pg_ctl" --pgdata data --log log --wait --timeout 60 --silent start >&2 ||
    { cat log >&2; exit 1; }
echo "$folder"
read -r _ || true
