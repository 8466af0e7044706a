#!/usr/bin/env bash
# The whole life of a package, with nothing but aws, curl and holdfast: created with a class and a
# schema, filled, finalized with its provenance, held, refused its end, released, expired, ended,
# its bytes gone from the disk, its log complete.
#   life-of-a-package.sh PATH/TO/holdfast
# Starts a server of its own on a free port and a data directory of its own, and removes both.
# AWS names the aws cli; else the suite's own (install.sh awscli-v2) or the machine's.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
holdfast=$(realpath "${1:?usage: $0 PATH/TO/holdfast}")
aws=${AWS:-$here/.clients/awscli-v2/aws}
[[ -x $aws ]] || aws=$(command -v aws) || { echo "no aws cli: run $here/install.sh awscli-v2" >&2; exit 2; }
work=$(mktemp -d "${TMPDIR:-/tmp}/holdfast-life.XXXXXX")
server=''
passed=0

end_all() {
    local status=$?
    trap - EXIT INT TERM
    if [[ -n $server ]]; then kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; fi
    if ((status != 0)); then
        printf '\n--- last lines of the server\n'; tail -n 40 "$work/server.log" || true
        printf '%d passed, 1 failed, 0 skipped\n' "$passed"
    fi
    rm -rf "$work"
    exit "$status"
}
trap end_all EXIT
trap 'exit 130' INT TERM

say() { printf '\n%s\n' "$*"; }
die() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }
ok() { printf '  ok: %s\n' "$*"; passed=$((passed + 1)); }

# equal WHAT GOT WANTED
equal() { [[ $2 == "$3" ]] || die "$1 is '$2' and not '$3'"; ok "$1: $2"; }

# refused WORD COMMAND…: the command fails and says this word.
refused() {
    local word=$1 said; shift
    if said=$("$@" 2>&1); then die "$* was not refused: $said"; fi
    [[ $said == *"$word"* ]] || die "$* was refused without '$word': $said"
    ok "refused with $word: ${1##*/} ${*:2}"
}

# field PATH: a value of the JSON on standard input, such as package.status or files.0.size_bytes.
field() {
    python3 -c '
import json, sys
value = json.load(sys.stdin)
for step in sys.argv[1].split("."):
    value = value[int(step)] if isinstance(value, list) else value[step]
print(json.dumps(value) if isinstance(value, (dict, list, bool)) or value is None else value)' "$1"
}

# call METHOD PATH [BODY]: the extension API, signed by curl.
call() {
    local body=${3-}
    curl -sS --fail-with-body --aws-sigv4 aws:amz:us-east-1:s3 \
        --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' \
        -X "$1" ${body:+-H 'Content-Type: application/json' --data-binary "$body"} \
        "$AWS_ENDPOINT_URL/_holdfast/v1$2"
}

# s3 WORD…: the aws cli.
s3() { "$aws" --endpoint-url "$AWS_ENDPOINT_URL" "$@"; }

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

serve() {
    # Bytes go as soon as nothing refers to them, so that one run shows their end.
    "$holdfast" serve --data "$work/data" --listen "127.0.0.1:$port" \
        --set janitor.interval_seconds=1 --set janitor.grace_seconds=0 \
        --set janitor.sweep_interval_seconds=3600 >>"$work/server.log" 2>&1 &
    server=$!
    for _ in $(seq 300); do
        if curl -sf -o "$work/ready" "$AWS_ENDPOINT_URL/_holdfast/v1/health/ready"; then return; fi
        kill -0 "$server" 2>/dev/null || die "the server ended at once"
        sleep 0.1
    done
    die "the server is not ready after 30 s"
}

stop() { kill "$server"; wait "$server" || die "the server did not stop well"; server=''; }

# stored: how many blobs stand on the disk.
stored() { find "$work/data/blobs" -type f ! -name STORE | wc -l; }

port=$(free_port)
export AWS_ACCESS_KEY_ID=life AWS_SECRET_ACCESS_KEY=0123456789abcdef0123456789abcdef
export AWS_ENDPOINT_URL=http://127.0.0.1:$port AWS_DEFAULT_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true
export HOLDFAST_ROOT_ACCESS_KEY=$AWS_ACCESS_KEY_ID HOLDFAST_ROOT_SECRET_KEY=$AWS_SECRET_ACCESS_KEY
cd "$work"
serve

say "1. A retention class of seconds and a schema of metadata"
call PUT /retention-classes/short \
    '{"default_duration_seconds": 3, "deletion_strategy": "purge", "anchor": "finalized"}' >class.json
equal "strategy of the class" "$(field deletion_strategy <class.json)" purge
cat >schema.json <<'JSON'
{"type": "object", "required": ["release"], "properties": {"release": {"type": "string", "pattern": "^v[0-9]+$"}}}
JSON
"$holdfast" schema register release schema.json --json >registered.json
equal "version of the schema" "$(field version <registered.json)" 1

say "2. A package with both"
refused /release "$holdfast" package create life --retention-class short --metadata-schema release \
    --metadata release=first
refused "'shorter'" "$holdfast" package create life --retention-class shorter
"$holdfast" package create life --retention-class short --metadata-schema release \
    --metadata release=v1 --producer ci --subject nightly --json >package.json
id=$(field id <package.json)
equal "status" "$(call GET "/packages/$id" | field status)" created

say "3. Files, small and large, one of them in parts"
mkdir -p files/docs
seq 1000 >files/docs/numbers.txt
head -c 100000 /dev/urandom >files/noise.bin
head -c 20000000 /dev/urandom >files/large.bin
s3 s3 sync files s3://life --no-progress >sync.txt
equal "files" "$(call GET /packages/life | field file_count)" 3
(($(stored) > 0)) || die "nothing is on the disk"
s3 s3 mb s3://promoted >promoted.txt
s3 s3 cp s3://life/noise.bin s3://promoted/kept.bin --no-progress >promoted.txt
ok "one file is promoted into another package"

say "4. Finalized, with its provenance"
s3 s3api create-multipart-upload --bucket life --key open >upload.json
refused "upload" "$holdfast" package finalize life
s3 s3api abort-multipart-upload --bucket life --key open --upload-id "$(field UploadId <upload.json)"
"$holdfast" package finalize life --source-commit main=0123abc --tool-version rustc=1.90 \
    --environment runner=two-cores --json >final.json
digest=$(field manifest_digest <final.json)
"$holdfast" package finalize life --json >again.json
equal "digest of a repeat" "$(field manifest_digest <again.json)" "$digest"
s3 s3 cp s3://life/.holdfast/manifest.json manifest.json --no-progress >cp.txt
s3 s3 cp s3://life/.holdfast/manifest.cbor manifest.cbor --no-progress >cp.txt
equal "source commit in the manifest" "$(field provenance.source_commits.main <manifest.json)" 0123abc
refused AccessDenied s3 s3 cp schema.json s3://life/late.json
refused AccessDenied s3 s3api delete-object --bucket life --key noise.bin
s3 s3 sync s3://life copy --no-progress >down.txt
"$holdfast" check copy --manifest manifest.cbor --digest "$digest" >check.txt
ok "$(cat check.txt)"
"$holdfast" verify life >verify.txt 2>&1
ok "$(tail -n 1 verify.txt)"

say "5. Held: its end is refused, whatever its expiry"
hold=$("$holdfast" retention hold life --reason "inquiry 7" --json | field hold_id)
s3 s3api put-object-legal-hold --bucket life --key .holdfast/manifest.cbor --legal-hold Status=ON
equal "holds" "$(call GET /packages/life/retention | field holds | python3 -c \
    'import json, sys; print(len(json.load(sys.stdin)))')" 2
refused AccessDenied s3 s3 rb s3://life
call POST /retention/sweep >swept.json
equal "status" "$(call GET "/packages/$id" | field status)" finalized

say "6. Released, expired, ended by the sweep"
"$holdfast" retention release life "$hold" --reason "closed" --json >released.json
s3 s3api put-object-legal-hold --bucket life --key .holdfast/manifest.cbor --legal-hold Status=OFF
for _ in $(seq 100); do
    "$holdfast" retention sweep --json >swept.json
    if [[ $(call GET "/packages/$id" | field status) == deleted ]]; then break; fi
    sleep 0.2
done
equal "status of the tombstone" "$(call GET "/packages/$id" | field status)" deleted
equal "manifest of the tombstone" "$(call GET "/packages/$id" | field manifest_digest)" "$digest"
refused NoSuchBucket s3 s3 ls s3://life
refused BucketAlready s3 s3 mb s3://life
call GET "/packages/$id/manifest?format=cbor" >kept.cbor
cmp manifest.cbor kept.cbor || die "the manifest changed"
ok "the manifest stays"

say "7. The bytes are gone from the disk, but for what another package holds"
for _ in $(seq 300); do
    if (($(stored) == 1)); then break; fi
    sleep 0.1
done
equal "blobs on the disk" "$(stored)" 1
s3 s3 cp s3://promoted/kept.bin kept.bin --no-progress >cp.txt
cmp kept.bin files/noise.bin || die "the promoted file changed"
ok "the promoted file is whole"

say "8. The log is complete"
"$holdfast" events --package "$id" --json >events.jsonl
python3 - events.jsonl <<'PYTHON'
import collections, json, sys
types = collections.Counter(json.loads(line)["event_type"] for line in open(sys.argv[1]))
for one, count in sorted(types.items()):
    print(f"  {count:3} {one}")
wanted = {
    "v1.package.created": 1, "v1.retention.default_applied": 2, "v1.file.ingested": 3,
    "v1.package.finalized": 1, "v1.retention.hold_applied": 2, "v1.retention.hold_released": 2,
    "v1.retention.deletion_eligible": 1, "v1.package.deleted": 1,
}
wrong = {one: (types[one], count) for one, count in wanted.items() if types[one] != count}
sys.exit(f"FAILED: events (counted, wanted): {wrong}" if wrong else 0)
PYTHON
ok "every step is an event"
"$holdfast" events --types v1.storage.blob_reclaimed --json >reclaimed.jsonl
(($(wc -l <reclaimed.jsonl) > 0)) || die "no blob was reclaimed"
ok "$(wc -l <reclaimed.jsonl) blobs reclaimed"
stop
"$holdfast" audit --data "$work/data" >audit.txt 2>&1 || die "$(cat audit.txt)"
ok "$(tail -n 1 audit.txt)"
serve
equal "status after a restart" "$(call GET "/packages/$id" | field status)" deleted
stop
printf '\n%d passed, 0 failed, 0 skipped\n' "$passed"
