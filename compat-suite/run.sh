#!/usr/bin/env bash
# Drives real, unmodified S3 clients at their defaults against an endpoint:
#   AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=… compat-suite/run.sh http://127.0.0.1:9000
# See --help for choosing clients and cases; install.sh puts the clients in place.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=$here/.clients/python/bin/python
if [[ ! -x $python ]]; then
    echo "the clients are not installed yet: run $here/install.sh" >&2
    exit 2
fi
PYTHONPATH=$here exec "$python" -B -m suite "$@"
