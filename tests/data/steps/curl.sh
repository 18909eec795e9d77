url=${PENSTOCK_URL:-http://127.0.0.1:8642}
token=(-H "Authorization: Bearer $(cat ~/.config/penstock/token 2>/dev/null || true)")
field() { python3 -c 'import json, sys; print(eval("document" + sys.argv[1], {"document": json.load(sys.stdin)}))' "$1"; }
file() { echo "{\"role\": \"$1\", \"name\": \"$2\", \"size\": $(stat -c %s "$2"), \"sha256\": \"$(sha256sum "$2" | cut -d' ' -f1)\"}"; }

# 1. Say what is to be run, on which files. The answer has the id, the account and an address for each upload. If no answer comes,
#    send the same again with the same key: it finds the workload, which gets a new secret.
test -s key || head -c 32 /dev/urandom | sha256sum | cut -c 1-64 >key
curl -sS --fail-with-body "${token[@]}" -H 'Content-Type: application/json' -H "Idempotency-Key: $(cat key)" "$url/api/v1/workloads" -d "{
  \"pipeline\": \"variants\",
  \"parameters\": {\"ploidy\": 2},
  \"inputs\": [$(file reference reference.fa), $(file bam HG00100.bam)]
}" >workload.json
id=$(field '["id"]' <workload.json)

# 2. Send the files. After a cut, `curl --head` on the address says by Upload-Offset where to go on.
for number in 0 1; do
    curl -sS --fail-with-body "${token[@]}" -X PATCH -T "$(field "['uploads'][$number]['name']" <workload.json)" \
        -H 'Tus-Resumable: 1.0.0' -H 'Upload-Offset: 0' -H 'Content-Type: application/offset+octet-stream' \
        "$(field "['uploads'][$number]['url']" <workload.json)"
done

# 3. Wait: each request is answered as soon as something has changed.
sequence=0 state=UPLOADING
until [[ $state =~ ^(SUCCEEDED|FAILED|CANCELED|EXPIRED)$ ]]; do
    curl -sS --fail-with-body "${token[@]}" "$url/api/v1/workloads/$id?wait=30&after=$sequence" >status.json
    state=$(field '["state"]' <status.json) sequence=$(field '["sequence"]' <status.json)
done
echo "$state $(field '["reason"]' <status.json)"

# 4. Bring back the results with the workload's own account (-C - goes on after a cut), and verify them.
account=$(field '["account"]["name"]' <workload.json):$(field '["account"]["secret"]' <workload.json)
curl -sS --fail -u "$account" -C - -O "$url/download/$id/manifest.sha256"
while read -r _ name; do
    curl -sS --fail -u "$account" -C - --create-dirs -o "$name" "$url/download/$id/files/$name"
done <manifest.sha256
sha256sum --check --quiet manifest.sha256

# 5. Have everything of it removed from the server.
curl -sS --fail-with-body "${token[@]}" -X POST "$url/api/v1/workloads/$id:acknowledge" && rm key
