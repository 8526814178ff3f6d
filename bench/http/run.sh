#!/usr/bin/env bash
# Our HTTP server beside nginx (Debian's nginx-light, one worker process): the same body of 1 KiB over
# kept connections, asked for with wrk (else ab), in turns, the median of ROUNDS; prints both and the
# ratio, then what 1,000 idle connections cost us. HTTP_BENCH names our binary (the target
# http_peer_bench of a release build).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
if [ -z "${HTTP_BENCH:-}" ]; then
  cmake --preset release -S ../.. >/dev/null
  cmake --build ../../build/release --target http_peer_bench >&2
  HTTP_BENCH=$PWD/../../build/release/bin/http_peer_bench
fi
work=$(mktemp -d)
pids=()
cleanup() {
  exec 8>&- 2>/dev/null || true
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

mkfifo "$work/stdin"
"$HTTP_BENCH" 127.0.0.1:0 <"$work/stdin" >"$work/address" &
ours_pid=$!
pids+=("$ours_pid")
exec 8>"$work/stdin"
for _ in $(seq 100); do [ -s "$work/address" ] && break; sleep 0.1; done
ours=http://$(cat "$work/address")/

port=$(free_port)
mkdir -p "$work/www"
head -c 1024 /dev/zero | tr '\0' x >"$work/www/index.html"
chmod -R a+rX "$work"
cat >"$work/nginx.conf" <<CONF
worker_processes 1;
daemon off;
pid $work/nginx.pid;
error_log $work/error.log;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 1000000000;
  sendfile on;
  open_file_cache max=100;
  client_body_temp_path $work/b; proxy_temp_path $work/p; fastcgi_temp_path $work/f; uwsgi_temp_path $work/u; scgi_temp_path $work/s;
  server { listen 127.0.0.1:$port; root $work/www; }
}
CONF
nginx -c "$work/nginx.conf" -p "$work" 2>/dev/null &
pids+=("$!")
theirs=http://127.0.0.1:$port/
for _ in $(seq 100); do curl -fs "$theirs" >/dev/null && break; sleep 0.1; done
[ "$(curl -fs "$ours")" = "$(curl -fs "$theirs")" ] || { echo "the bodies differ" >&2; exit 1; }

measure() { # url connections -> requests a second
  if command -v wrk >/dev/null; then
    wrk -t1 -c"$2" -d"${SECONDS_EACH:-3}s" "$1" | awk '/Requests\/sec/ {print $2}'
  else
    ab -q -k -c "$2" -t "${SECONDS_EACH:-3}" -n 100000000 "$1" 2>/dev/null | awk '/Requests per second/ {print $4}'
  fi
}
for connections in 1 64; do
  : >"$work/a"; : >"$work/b1"
  for _ in $(seq "${ROUNDS:-3}"); do
    measure "$ours" "$connections" >>"$work/a"
    measure "$theirs" "$connections" >>"$work/b1"
  done
  python3 - "$work/a" "$work/b1" "$connections" <<'PY'
import statistics, sys
ours, nginx = (statistics.median(map(float, open(f))) for f in sys.argv[1:3])
print(f"{sys.argv[3]:>3} connections: bulwark {ours:9.0f} requests/s, nginx {nginx:9.0f}, ratio {ours / nginx:.2f}")
PY
done
python3 - "$ours" "$ours_pid" <<'PY'
import socket, sys
from urllib.parse import urlparse
url, pid = urlparse(sys.argv[1]), sys.argv[2]
def rss():
    return int(next(l for l in open(f"/proc/{pid}/status") if l.startswith("VmRSS")).split()[1])
before = rss()
idle = []
for _ in range(1000):
    s = socket.create_connection((url.hostname, url.port))
    s.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    s.recv(4096)
    idle.append(s)
print(f"1,000 idle connections: {rss() - before} KiB, of {rss()} KiB in all")
PY
