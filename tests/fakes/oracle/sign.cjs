// sign.cjs MODULES_FOLDER ARTEFACT STATEMENT: what npm's signer makes with npm's mock of Sigstore. One line of JSON:
// {trustedRoot, cases: [{name, bundle}]}; messages are over ARTEFACT, envelopes hold STATEMENT. Nothing leaves the
// process: the mock answers in place of the network.
const crypto = require('crypto');
const { createRequire } = require('module');

const modules = createRequire(process.argv[2] + '/');
const { bundleToJSON } = modules('@sigstore/bundle');
const mock = modules('@sigstore/mock');
const { DSSEBundleBuilder, FulcioSigner, MessageSignatureBundleBuilder, RekorWitness, TSAWitness } =
  modules('@sigstore/sign');
const nock = modules('nock');

const urls = {
  fulcio: 'https://fulcio.mock.example',
  rekor: 'https://rekor.mock.example',
  tsa: 'https://timestamp.mock.example',
};
const newKeys = () => crypto.generateKeyPairSync('ec', { namedCurve: 'prime256v1' });

function serve(url, handler) {
  nock(url).persist().post(handler.path).reply(async (_, body) => {
    const answer = await handler.fn(typeof body === 'string' ? body : JSON.stringify(body));
    return [answer.statusCode, answer.response, { 'Content-Type': answer.contentType || 'text/plain' }];
  });
}

// A token that nobody checks: the mock reads its claims only.
function identityToken() {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = { iss: 'https://issuer.mock.example', sub: 'https://ci.mock.example/build', aud: 'sigstore' };
  return `${part({ alg: 'none' })}.${part(claims)}.${part('x')}`;
}

async function main() {
  nock.disableNetConnect();
  const ctlog = await mock.initializeCTLog(newKeys());
  const ca = await mock.initializeCA(newKeys(), ctlog);
  const tlog = await mock.initializeTLog(urls.rekor, newKeys());
  const tsa = await mock.initializeTSA(newKeys());
  serve(urls.fulcio, mock.fulcioHandler(ca));
  // The mock logs what was proposed; Rekor logs it without the payload.
  const rekorLike = Object.create(tlog, {
    log: {
      value: (entry) => {
        const logged = structuredClone(entry);
        delete logged.spec.content?.envelope?.payload;
        return tlog.log(logged);
      },
    },
  });
  serve(urls.rekor, mock.rekorHandler(rekorLike));
  serve(urls.tsa, mock.tsaHandler(tsa));

  const base64 = (bytes) => Buffer.from(bytes).toString('base64');
  const validFor = { start: '2020-01-01T00:00:00Z' };
  const authority = (uri, certificates) => ({
    subject: { organization: 'mock', commonName: 'mock' },
    uri,
    certChain: { certificates: certificates.map((der) => ({ rawBytes: base64(der) })) },
    validFor,
  });
  const log = (baseUrl, key, id) => ({
    baseUrl,
    hashAlgorithm: 'SHA2_256',
    publicKey: { rawBytes: base64(key), keyDetails: 'PKIX_ECDSA_P256_SHA_256', validFor },
    logId: { keyId: base64(id) },
  });
  const trustedRoot = {
    mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
    tlogs: [log(urls.rekor, tlog.publicKey, crypto.createHash('sha256').update(tlog.publicKey).digest())],
    certificateAuthorities: [authority(urls.fulcio, [ca.rootCertificate])],
    ctlogs: [log('https://ctfe.mock.example', ctlog.publicKey, ctlog.logID)],
    timestampAuthorities: [authority(urls.tsa, [tsa.intCertificate, tsa.rootCertificate])],
  };

  const signer = new FulcioSigner({
    fulcioBaseURL: urls.fulcio,
    identityProvider: { getToken: async () => identityToken() },
  });
  const rekor = new RekorWitness({ rekorBaseURL: urls.rekor, entryType: 'intoto' });
  const stamp = new TSAWitness({ tsaBaseURL: urls.tsa });
  const artefact = { data: Buffer.from(process.argv[3]) };
  const statement = { data: Buffer.from(process.argv[4]), type: 'application/vnd.in-toto+json' };
  const cases = [];
  for (const [suffix, witnesses] of [['', [rekor]], [' with a timestamp', [rekor, stamp]]]) {
    const message = new MessageSignatureBundleBuilder({ signer, witnesses });
    cases.push({ name: 'message' + suffix, bundle: bundleToJSON(await message.create(artefact)) });
    for (const certificateChain of [false, true]) {
      const envelope = new DSSEBundleBuilder({ signer, witnesses, certificateChain });
      const name = (certificateChain ? 'envelope, chain' : 'envelope') + suffix;
      cases.push({ name, bundle: bundleToJSON(await envelope.create(statement)) });
    }
  }
  console.log(JSON.stringify({ trustedRoot, cases }));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
