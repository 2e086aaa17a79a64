#!/bin/sh
# Makes grafana.json anew from Grafana's published types; needs node and npm. Another version of Grafana: change the
# number here, run this, and see what the tests of the dashboards say.
set -eu
GRAFANA_SCHEMA=13.2.3
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes >/dev/null
npm install --ignore-scripts --no-audit --no-fund --loglevel=error \
  "@grafana/schema@$GRAFANA_SCHEMA" typescript@5.9 ts-json-schema-generator@2.9.0
cp "$here/dashboards.ts" .
printf '%s' '{"compilerOptions": {"module": "esnext", "moduleResolution": "bundler", "strict": true,
  "skipLibCheck": true, "types": []}, "files": ["dashboards.ts"]}' >tsconfig.json
npx ts-json-schema-generator --tsconfig tsconfig.json --path dashboards.ts --type '*' --no-type-check \
  --jsDoc none --minify --out grafana.json
cp grafana.json "$here/grafana.json"
cp node_modules/@grafana/schema/LICENSE_APACHE2 "$here/LICENSE.txt"
