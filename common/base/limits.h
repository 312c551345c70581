// Every limit on what others send us, with the reason for its size. Exceeding one is kLimitExceeded, never a
// truncation.
#pragma once

#include <chrono>
#include <cstddef>

namespace gatehouse::limits {

inline constexpr std::size_t kKiB = 1024;
inline constexpr std::size_t kMiB = 1024 * kKiB;

// --- documents
inline constexpr std::size_t kJsonDepth = 64;         // a PodSpec nests about 12 deep; CRDs embed schemas up to 40
inline constexpr std::size_t kJsonNodes = 1'000'000;  // bounds the memory of a parsed document to about 16 MiB
inline constexpr std::size_t kYamlBytes = 1 * kMiB;   // etcd refuses larger objects (1.5 MiB), so no policy is larger
inline constexpr std::size_t kYamlDocuments = 1000;   // in one file
inline constexpr std::size_t kPemBlocks = 1000;       // a CA bundle of an operating system has about 150
inline constexpr std::size_t kGlobBytes =
    1 * kKiB;                                      // a host of 253, a name of 255, a tag of 128 and a sha512 digest fit
inline constexpr std::size_t kPolicyFiles = 1000;  // in one folder
inline constexpr std::size_t kCountedPolicies =
    10'000;  // with metrics of their own, since the start: whoever may write policies may write new ones for ever

// --- admission
inline constexpr std::size_t kReviewBytes = 7 * kMiB;  // object and oldObject of 1.5 MiB each, JSON-escaped, and slack
inline constexpr std::size_t kImagesPerReview =
    1000;  // the API server's own validation admits a few hundred containers
inline constexpr std::size_t kMessageBytes = 1 * kKiB;  // what a client sees of a denial; the audit log has all of it

// --- images and registries
inline constexpr std::size_t kImageReferenceBytes = 4 * kKiB;  // before parsing; a repository name itself is <= 255
inline constexpr std::size_t kRepositoryNameBytes = 255;       // distribution/reference NameTotalLengthMax
inline constexpr std::size_t kManifestBytes = 4 * kMiB;        // distribution-spec: registries accept at least 4 MiB
inline constexpr std::size_t kManifestLayers = 1000;           // cosign's maxLayers
inline constexpr std::size_t kIndexManifests = 1000;
inline constexpr std::size_t kSignaturesPerImage = 100;           // tried before giving up with a reason of its own
inline constexpr std::size_t kSignaturePayloadBytes = 64 * kKiB;  // a simple-signing payload has about 250 bytes
inline constexpr std::size_t kTokenResponseBytes = 256 * kKiB;
inline constexpr std::size_t kRegistryErrorBytes = 64 * kKiB;
inline constexpr std::size_t kRedirects = 5;  // a blob is served after one or two
inline constexpr std::size_t kHttpHeaderBytes = 64 * kKiB;
inline constexpr std::size_t kHttpHeaderLineBytes = 8 * kKiB;  // what cpp-httplib itself accepts of one header
inline constexpr std::size_t kHttpStatusLineBytes =
    512;                                            // read with std::regex by cpp-httplib, which recurses per byte
inline constexpr std::size_t kUrlBytes = 8 * kKiB;  // presigned URLs of object stores have 1 to 2 KiB
inline constexpr std::size_t kIdleConnections =
    64;                                             // kept alive in all, so that hostile servers cannot eat descriptors
inline constexpr std::size_t kPendingLookups = 32;  // getaddrinfo cannot be cancelled: each holds a thread
inline constexpr std::size_t kResolvedAddresses = 8;  // of one name that are tried
inline constexpr std::size_t kCachedTokens = 1024;    // bearer tokens per registry client
inline constexpr std::size_t kRegistryAttempts = 4;   // of one request, when told to come again later
inline constexpr std::size_t kDockerConfigBytes = 1 * kMiB;

inline constexpr std::size_t kReferrers = 1000;                    // of one image that are looked at, of all kinds
inline constexpr std::size_t kReferrerPages = 20;                  // registries give 50 to 100 a page
inline constexpr std::size_t kReferrerPageBytes = 4 * kMiB;        // an image index
inline constexpr std::size_t kAttestationsPerImage = 100;          // tried before giving up with a reason of its own
inline constexpr std::size_t kBundleBytes = 16 * kMiB;             // an SBOM of a large image has some MiB, in base64
inline constexpr std::size_t kCredentialHelperBytes = 256 * kKiB;  // what a credential helper prints
inline constexpr std::size_t kPlatforms = 64;             // images of one index that are judged; official ones have ten
inline constexpr std::size_t kArtefactBytes = 64 * kMiB;  // of signatures and attestations of one image, together
inline constexpr std::size_t kArtefactBytesAtOnce = 512 * kMiB;  // of all images that are judged at the same time
inline constexpr std::size_t kLayerBytes = 2048 * kMiB;          // of an image that is measured; in memory as it came
inline constexpr std::size_t kImageUnpackedBytes = 64 * 1024 * kMiB;  // of all its layers; nothing of it is kept
inline constexpr std::size_t kImageFiles = 2'000'000;                 // of all its layers; large ones have 200,000
inline constexpr std::size_t kTarRecordBytes = 1 * kMiB;              // a long name, or the pax records of one file
inline constexpr std::size_t kPullSecrets = 32;          // of one pod, its ServiceAccount, or the policies of an image
inline constexpr std::size_t kCachedPullSecrets = 4096;  // Secrets and ServiceAccounts, each for seconds

// --- signatures, by the counts that the reference implementation of Sigstore (sigstore-go) allows
inline constexpr std::size_t kLogEntries = 32;      // of one bundle
inline constexpr std::size_t kTimestamps = 32;      // of one bundle
inline constexpr std::size_t kSubjects = 1024;      // of one statement
inline constexpr std::size_t kSubjectDigests = 32;  // of one subject
inline constexpr std::size_t kScts = 32;            // of one certificate
inline constexpr std::size_t kProofHashes = 64;     // of an inclusion proof: a tree of 2^64 entries
inline constexpr std::size_t kCheckpointBytes = 64 * kKiB;
inline constexpr std::size_t kCheckpointSignatures = 64;  // C2SP tlog-checkpoint: at least 16 must be accepted
inline constexpr std::size_t kTimestampTokenBytes = 64 * kKiB;
inline constexpr std::size_t kTrustedRootBytes = 1 * kMiB;       // the public-good one has 7 KiB
inline constexpr std::size_t kTrustedRootKeys = 100;             // of each kind
inline constexpr std::size_t kNotationEnvelopeBytes = 1 * kMiB;  // certificates, a timestamp and 200 bytes of payload
inline constexpr std::size_t kNotationPolicyBytes = 1 * kMiB;
inline constexpr int kCborDepth = 16;
inline constexpr std::size_t kCborItems = 10'000;
inline constexpr std::size_t kCrlBytes = 32 * kMiB;  // those of large public authorities have 10 MiB
inline constexpr std::size_t kOcspBytes = 64 * kKiB;
inline constexpr std::size_t kRevocationCacheBytes = 64 * kMiB;  // of all CRLs and OCSP responses that are kept
inline constexpr std::size_t kPatternBytes = 1 * kKiB;           // a regular expression of a policy
inline constexpr std::size_t kPredicateConditions = 200;         // of one policy, nested ones counted

// --- TUF (the specification's section 5 asks for such limits)
inline constexpr std::size_t kTufRootBytes = 512 * kKiB;
inline constexpr std::size_t kTufTimestampBytes = 16 * kKiB;
inline constexpr std::size_t kTufSnapshotBytes = 2 * kMiB;
inline constexpr std::size_t kTufTargetsBytes = 5 * kMiB;
inline constexpr std::size_t kTufRootRotations = 256;  // in one refresh
inline constexpr std::size_t kTufDelegations = 32;     // roles that are looked at for one target

// --- our own listeners
inline constexpr std::size_t kRequestLineBytes = 8 * kKiB;  // cpp-httplib answers 414 beyond; our paths have 30 bytes
inline constexpr std::size_t kChunkExtensionBytes = 1 * kKiB;  // of a whole body; nobody sends any
inline constexpr std::size_t kServerConnections = 4096;        // open at once; an idle one costs about 30 KiB
inline constexpr std::size_t kServerBufferedBytes =
    512 * kMiB;  // of requests that are still arriving, beyond 64 KiB each
inline constexpr std::size_t kServerSmallRequestBytes = 64 * kKiB;  // an ordinary AdmissionReview has 5 to 30 KiB
inline constexpr std::size_t kTlsFileBytes = 1 * kMiB;              // a CA bundle of an operating system has 250 KiB

// --- keys and certificates
inline constexpr std::size_t kCertificateBytes = 64 * kKiB;
inline constexpr int kDerDepth = 32;                      // a certificate nests about 8 deep
inline constexpr int kRsaBits = 4096;                     // AMD's roots; more costs the sender nothing and us much
inline constexpr std::size_t kChainCertificates = 10;     // real chains have two to five
inline constexpr std::size_t kSignatureBytes = 1 * kKiB;  // RSA 4096 has 512 bytes
inline constexpr std::size_t kTokenBytes = 64 * kKiB;     // a JWT

// --- evidence
inline constexpr std::size_t kEvidenceBytes = 64 * kMiB;      // an IMA log of 100,000 entries, base64
inline constexpr std::size_t kAttestationBytes = 256 * kKiB;  // every other message of the attestation session
inline constexpr std::size_t kTicketContextBytes =
    kAttestationBytes / 2;  // what an enrolment carries for its second call; in base64 it fits a message again
inline constexpr std::size_t kTicketBytes = kTicketContextBytes / 3 * 4 + 1 * kKiB;
inline constexpr std::size_t kTpmStructureBytes = 4 * kKiB;  // TPM2B of the largest structure a TPM returns
inline constexpr std::size_t kPcrBanks = 4;                  // SHA-1, SHA-256, SHA-384, SHA-512
inline constexpr std::size_t kPcrCount = 24;                 // PC Client Platform TPM Profile
inline constexpr std::size_t kNodes = 100'000;               // enrolled at one verifier
inline constexpr std::size_t kEventLogBytes =
    4 * kMiB;  // firmware reserves 64 KiB or more; Secure Boot with shim fills 18
inline constexpr std::size_t kImaLogBytes =
    40 * kMiB;  // 100,000 entries of 400 bytes; in base64 it fits kEvidenceBytes
inline constexpr std::size_t kEkChainBytes =
    64 * kKiB;  // NV 0x01C00100-0x01C001FF together; in base64 it fits an enrolment
inline constexpr std::size_t kNoncesPerNode =
    64;  // remembered within twice kNonceLifetime; an agent needs one a minute
inline constexpr std::size_t kEventLogEvents = 10'000;  // real logs have 20 to 250
inline constexpr std::size_t kEventLogAlgorithms = 16;  // of a Spec ID event, those that we do not know among them
inline constexpr std::size_t kSignatureListEntries = 10'000;  // of db or dbx; a dbx of today has about 500
inline constexpr std::size_t kCommandLineBytes = 64 * kKiB;   // the kernel takes 2 KiB (x86)
inline constexpr std::size_t kImaEntryBytes = 1 * kMiB;       // critical data and keys; a file's entry has 100 to 400
inline constexpr std::size_t kImaFields = 16;                 // of a template; TEMPLATE_NUM_FIELDS_MAX of the kernel
inline constexpr std::size_t kImaTemplateNameBytes = 256;     // the longest format of known fields has 70
inline constexpr std::size_t kImaPathBytes = 8 * kKiB;        // PATH_MAX, and what the kernel appends to it
inline constexpr std::size_t kImaChunkBytes = 512 * kKiB;     // what an agent sends at once, so that it stays small
inline constexpr std::size_t kImaFindings = 32;               // kept of a node and a policy; the rest is counted
inline constexpr std::size_t kImaEntries = 100'000'000;       // of one boot
inline constexpr std::size_t kDigestSetEntries = 20'000'000;  // of a file of digests: 800 MiB
inline constexpr std::size_t kFileListBytes = 1024 * kMiB;    // sha256sum of eight million files
inline constexpr std::size_t kInlineDigests = 20'000;         // of one document, which has at most kYamlBytes
inline constexpr std::size_t kBootRules = 10'000;             // digests and texts of one document, of each part
inline constexpr std::size_t kEkHashes = 100'000;             // of one inventory
inline constexpr std::size_t kPeBytes = 512 * kMiB;           // a UKI with a large initrd
inline constexpr std::size_t kPeSections = 96;                // PE/COFF specification, "NumberOfSections"
inline constexpr std::size_t kAiaFetches = 4;                 // of issuers of one endorsement certificate
inline constexpr std::size_t kIssuersKept = 1'000;            // fetched, or not to be had, and remembered
inline constexpr std::size_t kEndorsementsKept = 20'000;      // verified before; one has about 10 KiB

// --- the Kubernetes API
inline constexpr std::size_t kKubeResponseBytes = 32 * kMiB;  // a page of kKubePageObjects nodes has about 5 MiB
inline constexpr std::size_t kKubeObjectBytes = 4 * kMiB;     // one event of a watch; etcd refuses more than 1.5 MiB
inline constexpr std::size_t kKubeAttempts = 10;              // of one request, when told to come again later
inline constexpr std::size_t kKubePageObjects = 250;          // of a list, at a time
inline constexpr std::size_t kKubeConfigBytes = 1 * kMiB;
inline constexpr std::size_t kExecCredentialBytes = 256 * kKiB;  // what a credential plugin prints: a token or a chain
inline constexpr std::size_t kReplicaReportBytes = 200 * kKiB;   // annotations have 256 KiB in all
inline constexpr std::size_t kReviewedTokenBytes = 16 * kKiB;    // a ServiceAccount token has about 1 KiB
inline constexpr std::size_t kReviewedTokens = 2 * kNodes;       // remembered; a node's is replaced each 48 minutes
inline constexpr std::size_t kReviewPeers = 20'000;              // addresses told apart; a busy one is forgotten last
inline constexpr std::size_t kTokenReviewsAtOnce = 16;           // by strangers they must not fill the API server

// --- time
inline constexpr std::chrono::seconds kOcspTime{2};               // for one URL (Notation specification)
inline constexpr std::chrono::seconds kCrlTime{5};                // the same
inline constexpr std::chrono::seconds kCredentialHelperTime{20};  // it asks a cloud's token service
inline constexpr std::chrono::milliseconds kStreamTick{250};
inline constexpr std::chrono::seconds kConnectTimeout{3};
inline constexpr std::chrono::seconds kKeepAliveIdle{15};       // of TCP: a connection that is silent is probed after
inline constexpr std::chrono::seconds kKeepAliveInterval{5};    // and then that often
inline constexpr std::chrono::seconds kPeerGoneAfter{30};       // without any acknowledgement by the peer's kernel
inline constexpr std::chrono::seconds kExecCredentialTime{20};  // a plugin asks a cloud's token service
inline constexpr std::chrono::minutes kExecLoginTime{5};        // the same, where a person may have to log in meanwhile
inline constexpr std::chrono::seconds kRequestTimeout{10};      // one HTTP exchange, unless a deadline is nearer
inline constexpr std::chrono::seconds kTokenCacheTime{
    3600};  // for a registry's bearer token, however long it says it lives
inline constexpr std::chrono::seconds kNonceLifetime{120};    // a slow TPM needs seconds; a queue of evidence a minute
inline constexpr std::chrono::seconds kReplicaClockSkew{30};  // by which a replica's clock may be ahead of another's

}  // namespace gatehouse::limits
