// verify.cjs MODULES_FOLDER CASES_FILE: what npm's verifier thinks of each case; one line of JSON with a list of
// {name, ok, error}. A case has its own trusted root, keys by hint, bundle and artefact (base64).
const fs = require('fs');
const { createRequire } = require('module');

const modules = createRequire(process.argv[2] + '/');
const { bundleFromJSON } = modules('@sigstore/bundle');
const { TrustedRoot } = modules('@sigstore/protobuf-specs');
const { Verifier, toSignedEntity, toTrustMaterial } = modules('@sigstore/verify');

function check(one) {
  const keys = {};
  for (const [hint, spki] of Object.entries(one.keys || {})) {
    keys[hint] = { rawBytes: Buffer.from(spki, 'base64') };
  }
  const material = toTrustMaterial(TrustedRoot.fromJSON(one.trustedRoot), keys);
  const verifier = new Verifier(material, one.thresholds);
  const artefact = one.artefact === undefined ? undefined : Buffer.from(one.artefact, 'base64');
  verifier.verify(toSignedEntity(bundleFromJSON(one.bundle), artefact));
}

const verdicts = JSON.parse(fs.readFileSync(process.argv[3], 'utf8')).map((one) => {
  try {
    check(one);
    return { name: one.name, ok: true, error: '' };
  } catch (error) {
    return { name: one.name, ok: false, error: String(error.message || error) };
  }
});
console.log(JSON.stringify(verdicts));
