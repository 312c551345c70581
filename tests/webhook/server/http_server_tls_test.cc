// Who may speak to a TLS listener, how, and what happens when its files change.
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <filesystem>
#include <thread>

#include "tests/webhook/server/fixture.h"

namespace gatehouse::webhook {
namespace {

using fakes::CaSpec;
using fakes::LeafSpec;
using fakes::TestCa;
using fakes::TestCertificate;
using testing::ElementsAre;
using testing::HasSubstr;

class HttpServerTls : public HttpServerTest {
 protected:
  [[nodiscard]] static TestCa NewCa(const std::string& name) { return TestCa::Root(Today(CaSpec(name))); }
  [[nodiscard]] static TestCertificate Client(const TestCa& ca,
                                              fakes::CertificateSpec spec = LeafSpec("kube-apiserver")) {
    return ca.Leaf(Today(std::move(spec)).With("extendedKeyUsage", "clientAuth"));
  }
  [[nodiscard]] ListenerOptions Mutual(const TestCa& client_ca, bool required) {
    ListenerOptions options = Tls();
    Write("client-ca.crt", client_ca.pem());
    options.tls->client_ca = Path("client-ca.crt");
    options.tls->require_client_certificate = required;
    return options;
  }
  void Show(const TestCertificate& certificate) {
    client_tls_->certificate_pem = certificate.pem;
    client_tls_->key_pem = certificate.key->Pem();
  }
  void ShowNothing() { client_tls_ = ClientTls{.ca_pem = ca().pem()}; }
  // Whether a request is answered. In TLS 1.3 a client learns only then that its certificate was refused.
  [[nodiscard]] bool Served() const {
    const auto response = Ask(GetRequest("/healthz"));
    return response && response->status == 200;
  }
  [[nodiscard]] std::string ServedCertificateSubject() const {
    const TestClient client = Connect();
    if (client.ssl() == nullptr || SSL_get0_peer_certificate(client.ssl()) == nullptr) return "";
    std::array<char, 256> name{};
    X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_get0_peer_certificate(client.ssl())), NID_commonName,
                              name.data(), name.size());
    return name.data();
  }
};

struct KeyCase {
  const char* name;
  crypto::KeyType type;
  std::size_t bits;
};
class HttpServerKey : public HttpServerTls, public testing::WithParamInterface<KeyCase> {};

TEST_P(HttpServerKey, IsServedWith) {
  ListenerOptions options = Tls();
  fakes::CertificateSpec spec = LeafSpec("gatehouse");
  spec.key_type = GetParam().type;
  spec.rsa_bits = GetParam().bits;
  WriteTls(ServerCertificate(spec));
  Start(options);
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    client_tls_->max_version = version;
    const TestClient client = Connect();
    ASSERT_TRUE(client.connected()) << client.failure();
    EXPECT_EQ(SSL_version(client.ssl()), version);
    EXPECT_TRUE(Served());
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, HttpServerKey,
                         testing::Values(KeyCase{"P256", crypto::KeyType::kEcP256, 0},
                                         KeyCase{"P384", crypto::KeyType::kEcP384, 0},
                                         KeyCase{"Rsa2048", crypto::KeyType::kRsa, 2048}),
                         [](const auto& test) { return std::string(test.param.name); });

TEST_F(HttpServerTls, OldVersionsAreRefused) {
  Start(Tls());
  for (const int version : {TLS1_VERSION, TLS1_1_VERSION}) {
    client_tls_->max_version = version;
    client_tls_->ciphers12 = "ALL:@SECLEVEL=0";
    const TestClient client = Connect();
    EXPECT_FALSE(client.connected());
    EXPECT_THAT(client.failure(), HasSubstr("protocol version")) << "the alert arrives";
  }
}

TEST_F(HttpServerTls, WeakCiphersAreRefused) {
  Start(Tls());
  client_tls_->max_version = TLS1_2_VERSION;
  for (const char* ciphers : {"AES128-GCM-SHA256:AES128-SHA", "ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES128-SHA",
                              "DHE-RSA-AES128-GCM-SHA256"}) {
    client_tls_->ciphers12 = std::string(ciphers) + ":@SECLEVEL=0";
    EXPECT_FALSE(Connect().connected()) << ciphers;
  }
  client_tls_->ciphers12 = "ECDHE-ECDSA-AES128-GCM-SHA256";
  EXPECT_TRUE(Connect().connected());
}

TEST_F(HttpServerTls, PlainRequestToATlsPortIsDropped) {
  Start(Tls());
  TestClient plain(server_->port());
  ASSERT_TRUE(plain.Send(GetRequest("/healthz")));
  EXPECT_FALSE(plain.Receive());
  EXPECT_TRUE(Served());
}

TEST_F(HttpServerTls, SpeaksHttp11ByAlpn) {
  Start(Tls());
  for (const auto& [offered, wanted] : {std::pair("http/1.1", "http/1.1"), std::pair("h2", "")}) {
    client_tls_->alpn = offered;
    const TestClient client = Connect();
    ASSERT_TRUE(client.connected()) << offered;
    const unsigned char* chosen = nullptr;
    unsigned int size = 0;
    SSL_get0_alpn_selected(client.ssl(), &chosen, &size);
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(chosen), size), wanted);
  }
}

TEST_F(HttpServerTls, SendsTheWholeChain) {
  ListenerOptions options = Tls();
  const TestCa intermediate = ca().Intermediate(Today(CaSpec("intermediate")));
  const TestCertificate leaf = intermediate.Leaf(Today(LeafSpec("gatehouse")).With("extendedKeyUsage", "serverAuth"));
  Write("tls.crt", leaf.pem + intermediate.pem());
  Write("tls.key", leaf.key->Pem());
  Start(options);
  EXPECT_TRUE(Served());
}

TEST_F(HttpServerTls, SessionIsResumed) {
  Start(Tls());
  TestClient first = Connect();
  ASSERT_TRUE(first.Exchange(GetRequest("/healthz")));
  client_tls_->resume = first.ssl();
  TestClient second = Connect();
  EXPECT_EQ(SSL_session_reused(second.ssl()), 1);
  EXPECT_TRUE(second.Exchange(GetRequest("/healthz")));
}

TEST_F(HttpServerTls, ClientEndsInOrderAndIsAnsweredInOrder) {
  Start(Tls());
  TestClient client = Connect();
  const auto response = client.Exchange("GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  ASSERT_TRUE(response);
  EXPECT_TRUE(client.AtEnd()) << "close_notify, no truncation";
}

// --- client certificates

TEST_F(HttpServerTls, RequiredClientCertificate) {
  const TestCa client_ca = NewCa("client CA");
  std::optional<ClientIdentity> seen;
  Start(Mutual(client_ca, true), [&](const HttpCall& call) {
    seen = call.client;
    return HttpReply{};
  });
  EXPECT_FALSE(Served()) << "without one";

  fakes::CertificateSpec spec = LeafSpec("kube-apiserver");
  spec.organization = "system:masters";
  Show(Client(client_ca, spec));
  ASSERT_TRUE(Ask(PostRequest("{}")));
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->common_name, "kube-apiserver");
  EXPECT_THAT(seen->organizations, ElementsAre("system:masters"));

  Show(Client(NewCa("client CA")));
  EXPECT_FALSE(Served()) << "of another CA of the same name";
  Show(client_ca.Leaf(Today(LeafSpec("kube-apiserver")).With("extendedKeyUsage", "serverAuth")));
  EXPECT_FALSE(Served()) << "for another use";
  const WallTime now = clock_.Wall();
  Show(client_ca.Leaf(LeafSpec("kube-apiserver").Valid(now - std::chrono::hours(2), now - std::chrono::hours(1))));
  EXPECT_FALSE(Served()) << "expired";
  Show(client_ca.Leaf(LeafSpec("kube-apiserver").Valid(now + std::chrono::hours(1), now + std::chrono::hours(2))));
  EXPECT_FALSE(Served()) << "not valid yet";
  Show(TestCa::SelfSignedLeaf(Today(LeafSpec("kube-apiserver"))));
  EXPECT_FALSE(Served()) << "its own issuer";
  EXPECT_THAT(Log(), HasSubstr("TLS handshake failed"));
}

TEST_F(HttpServerTls, OptionalClientCertificateIsVerifiedIfGiven) {
  const TestCa client_ca = NewCa("client CA");
  std::optional<ClientIdentity> seen;
  Start(Mutual(client_ca, false), [&](const HttpCall& call) {
    seen = call.client;
    return HttpReply{};
  });
  ASSERT_TRUE(Ask(PostRequest("{}")));
  EXPECT_FALSE(seen);
  Show(Client(NewCa("client CA")));
  EXPECT_FALSE(Ask(PostRequest("{}"))) << "a wrong one is worse than none";
  Show(Client(client_ca));
  ASSERT_TRUE(Ask(PostRequest("{}")));
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->common_name, "kube-apiserver");
}

TEST_F(HttpServerTls, WithoutClientCaNoCertificateIsAskedForNorBelieved) {
  std::optional<ClientIdentity> seen;
  Start(Tls(), [&](const HttpCall& call) {
    seen = call.client;
    return HttpReply{};
  });
  Show(Client(NewCa("any")));
  ASSERT_TRUE(Ask(PostRequest("{}")));
  EXPECT_FALSE(seen);
}

TEST_F(HttpServerTls, EveryCertificateOfTheClientCaFileIsAnAnchor) {
  const TestCa root = NewCa("root");
  const TestCa intermediate = root.Intermediate(Today(CaSpec("intermediate")));
  const TestCa other = NewCa("other");
  const ListenerOptions options = Mutual(root, true);
  Write("client-ca.crt", other.pem() + intermediate.pem());  // not the intermediate's issuer
  Start(options);
  Show(Client(intermediate));
  EXPECT_TRUE(Served());
  Show(Client(other));
  EXPECT_TRUE(Served());
  Show(Client(root));
  EXPECT_FALSE(Served());
}

TEST_F(HttpServerTls, ClientWithoutACommonNameIsNobody) {
  const TestCa client_ca = NewCa("client CA");
  std::optional<ClientIdentity> seen = ClientIdentity{"unset", {}};
  Start(Mutual(client_ca, true), [&](const HttpCall& call) {
    seen = call.client;
    return HttpReply{};
  });
  fakes::CertificateSpec spec = LeafSpec("");
  spec.organization = "system:masters";
  Show(Client(client_ca, spec));
  ASSERT_TRUE(Ask(PostRequest("{}")));
  EXPECT_FALSE(seen);
}

TEST_F(HttpServerTls, ResumedSessionKeepsTheClientsIdentity) {
  const TestCa client_ca = NewCa("client CA");
  std::vector<std::string> seen;
  Start(Mutual(client_ca, true), [&](const HttpCall& call) {
    seen.push_back(call.client ? call.client->common_name : "nobody");
    return HttpReply{};
  });
  Show(Client(client_ca));
  TestClient first = Connect();
  ASSERT_TRUE(first.Exchange(PostRequest("{}")));
  ShowNothing();
  client_tls_->resume = first.ssl();
  TestClient second = Connect();
  ASSERT_EQ(SSL_session_reused(second.ssl()), 1);
  ASSERT_TRUE(second.Exchange(PostRequest("{}")));
  EXPECT_THAT(seen, ElementsAre("kube-apiserver", "kube-apiserver"));
}

// --- change of files

TEST_F(HttpServerTls, ReplacedCertificateIsTakenUp) {
  Start(Tls());
  EXPECT_EQ(ServedCertificateSubject(), "gatehouse");
  WriteTls(ServerCertificate(LeafSpec("renewed")));
  EXPECT_TRUE(Eventually([&] { return ServedCertificateSubject() == "renewed"; }));
  EXPECT_THAT(Log(), HasSubstr("serving certificate read again"));
}

TEST_F(HttpServerTls, ReplacementByRsaIsTakenUp) {
  Start(Tls());
  fakes::CertificateSpec spec = LeafSpec("rsa");
  spec.key_type = crypto::KeyType::kRsa;
  WriteTls(ServerCertificate(spec));
  EXPECT_TRUE(Eventually([&] { return ServedCertificateSubject() == "rsa"; }));
}

// A mounted Secret: tls.crt -> ..data/tls.crt, ..data -> a folder; an update swaps ..data.
TEST_F(HttpServerTls, SwappedLinkOfAMountedSecretIsTakenUp) {
  const ListenerOptions options = Tls();
  const auto write = [&](const std::string& version, const TestCertificate& certificate) {
    std::filesystem::create_directory(Path(version));
    Write(version + "/tls.crt", certificate.pem);
    Write(version + "/tls.key", certificate.key->Pem());
    std::filesystem::create_directory_symlink(version, Path("..data_tmp"));
    std::filesystem::rename(Path("..data_tmp"), Path("..data"));
  };
  write("v1", ServerCertificate(LeafSpec("v1")));
  for (const char* name : {"tls.crt", "tls.key"}) {
    std::filesystem::remove(Path(name));
    std::filesystem::create_symlink(std::string("..data/") + name, Path(name));
  }
  Start(options);
  EXPECT_EQ(ServedCertificateSubject(), "v1");
  write("v2", ServerCertificate(LeafSpec("v2")));
  EXPECT_TRUE(Eventually([&] { return ServedCertificateSubject() == "v2"; }));
}

struct Replacement {
  const char* name;
  const char* file;
  std::string content;  // "" and no_file: removed
  const char* complaint;
};
class HttpServerBrokenReplacement : public HttpServerTls, public testing::WithParamInterface<Replacement> {};

TEST_P(HttpServerBrokenReplacement, KeepsTheOldAndIsLogged) {
  const TestCa client_ca = NewCa("client CA");
  Start(Mutual(client_ca, true));
  Show(Client(client_ca));
  ASSERT_TRUE(Served());
  if (GetParam().content == "remove") {
    std::filesystem::remove(Path(GetParam().file));
  } else if (GetParam().content == "other key") {
    Write(GetParam().file, ServerCertificate().key->Pem());
  } else {
    Write(GetParam().file, GetParam().content);
  }
  ASSERT_TRUE(Eventually([&] { return Log().find("cannot be used; the old one stays in use") != std::string::npos; }));
  EXPECT_THAT(Log(), HasSubstr(GetParam().complaint));
  EXPECT_THAT(Log(), HasSubstr(R"("level":"error")"));
  EXPECT_EQ(ServedCertificateSubject(), "gatehouse");
  EXPECT_TRUE(Served());
  // And a good one afterwards is taken up.
  WriteTls(ServerCertificate(LeafSpec("repaired")));
  Write("client-ca.crt", client_ca.pem());
  EXPECT_TRUE(Eventually([&] { return ServedCertificateSubject() == "repaired"; }));
}

INSTANTIATE_TEST_SUITE_P(
    Defects, HttpServerBrokenReplacement,
    testing::Values(Replacement{"CertificateRemoved", "tls.crt", "remove", "cannot be opened"},
                    Replacement{"KeyRemoved", "tls.key", "remove", "cannot be opened"},
                    Replacement{"CaRemoved", "client-ca.crt", "remove", "cannot be opened"},
                    Replacement{"CertificateEmpty", "tls.crt", "", "holds no certificate"},
                    Replacement{"CertificateGarbage", "tls.crt",
                                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "cannot be read"},
                    Replacement{"KeyEmpty", "tls.key", "", "holds no private key"},
                    Replacement{"KeyOfAnother", "tls.key", "other key", "is not the key of the first certificate"},
                    Replacement{"CaEmpty", "client-ca.crt", "", "holds no certificate"},
                    Replacement{"TooLong", "tls.crt", std::string((1 << 20) + 1, ' '), "has more than 1048576 bytes"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST_F(HttpServerTls, ReloadUnderContinuousRequestsFailsNone) {
  Start(Tls());
  std::atomic<bool> stop = false;
  std::atomic<int> answered = 0;
  std::atomic<int> failed = 0;
  std::vector<std::thread> clients;
  clients.emplace_back([&] {  // one connection for all the time: a reload must not drop it
    TestClient client = Connect();
    while (!stop) ++(client.Exchange(PostRequest("{}")) ? answered : failed);
  });
  clients.emplace_back([&] {  // one connection a request
    while (!stop) ++(Ask(PostRequest("{}")) ? answered : failed);
  });
  int renewed = 0;
  for (int i = 0; i < 5; ++i) {
    const std::string name = "renewed-" + std::to_string(i);
    WriteTls(ServerCertificate(LeafSpec(name)));  // two files, one after the other: between them they do not match
    renewed += Eventually([&] { return ServedCertificateSubject() == name; }) ? 1 : 0;
  }
  stop = true;
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(renewed, 5);
  EXPECT_EQ(failed, 0);
  EXPECT_GT(answered, 20);
}

TEST_F(HttpServerTls, ReplacedClientCaShutsOutTheOldAndItsTickets) {
  const TestCa old_ca = NewCa("client CA");
  const TestCa new_ca = NewCa("client CA");
  Start(Mutual(old_ca, true));
  Show(Client(old_ca));
  TestClient first = Connect();
  ASSERT_TRUE(first.Exchange(GetRequest("/healthz")));
  Write("client-ca.crt", new_ca.pem());
  ASSERT_TRUE(Eventually([&] { return !Served(); }));
  client_tls_->resume = first.ssl();
  EXPECT_FALSE(Served()) << "a ticket does not outlive the CA";
  EXPECT_TRUE(first.Exchange(GetRequest("/healthz"))) << "an existing connection goes on";
  ShowNothing();
  Show(Client(new_ca));
  EXPECT_TRUE(Served());
}

TEST_F(HttpServerTls, ExpiryIsThatOfTheCertificateInUse) {
  ListenerOptions options = Tls();
  const WallTime end = std::chrono::floor<std::chrono::seconds>(clock_.Wall()) + std::chrono::hours(5);
  const auto until = [&](WallTime expiry) {
    return ca().Leaf(LeafSpec("gatehouse").Valid(clock_.Wall() - std::chrono::hours(1), expiry));
  };
  WriteTls(until(end));
  Start(options);
  EXPECT_EQ(server_->CertificateExpiry(), end);
  WriteTls(until(end + std::chrono::hours(1)));
  EXPECT_TRUE(Eventually([&] { return server_->CertificateExpiry() == end + std::chrono::hours(1); }));
}

TEST_F(HttpServerTls, PlainListenerHasNoExpiry) {
  Start(Plain());
  EXPECT_EQ(server_->CertificateExpiry(), std::nullopt);
}

// --- files that are wrong from the start

class HttpServerBadTls : public HttpServerTls {
 protected:
  void ExpectRefused(const ListenerOptions& options, const std::string& complaint) {
    const auto made = HttpServer::Make(options, clock_, log_);
    ASSERT_FALSE(made.ok());
    EXPECT_EQ(made.error().reason, Reason::kConfigInvalid);
    EXPECT_THAT(made.error().ToString(), HasSubstr(complaint));
    EXPECT_THAT(made.error().where, HasSubstr("admission"));
  }
};

TEST_F(HttpServerBadTls, MissingCertificate) {
  ListenerOptions options = Tls();
  options.tls->certificate = Path("nowhere.crt");
  ExpectRefused(options, "nowhere.crt");
}
TEST_F(HttpServerBadTls, FolderForAFile) {
  ListenerOptions options = Tls();
  options.tls->certificate = folder_.string();
  ExpectRefused(options, "is not a regular file");
}
TEST_F(HttpServerBadTls, KeyOfAnotherCertificate) {
  const ListenerOptions options = Tls();
  Write("tls.key", ServerCertificate().key->Pem());
  ExpectRefused(options, "is not the key of the first certificate");
}
TEST_F(HttpServerBadTls, ChainInTheWrongOrder) {
  const ListenerOptions options = Tls();
  const TestCertificate leaf = ServerCertificate();
  Write("tls.crt", ca().pem() + leaf.pem);
  Write("tls.key", leaf.key->Pem());
  ExpectRefused(options, "is not the key of the first certificate");
}
TEST_F(HttpServerBadTls, KeyOfAnotherKind) {
  const ListenerOptions options = Tls();
  fakes::CertificateSpec spec = LeafSpec("ed25519");
  spec.key_type = crypto::KeyType::kEd25519;
  WriteTls(ServerCertificate(spec));
  ExpectRefused(options, "is neither an ECDSA nor an RSA key");
}
TEST_F(HttpServerBadTls, WeakRsaKey) {
  const ListenerOptions options = Tls();
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_RSA_gen(1024), EVP_PKEY_free);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), X509_free);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  X509_set_pubkey(certificate.get(), key.get());
  ASSERT_GT(X509_sign(certificate.get(), key.get(), EVP_sha256()), 0);
  const auto pem = [](auto write) {
    const std::unique_ptr<BIO, decltype(&BIO_free_all)> bio(BIO_new(BIO_s_mem()), BIO_free_all);
    write(bio.get());
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    return std::string(data, static_cast<std::size_t>(size));
  };
  Write("tls.crt", pem([&](BIO* bio) { PEM_write_bio_X509(bio, certificate.get()); }));
  Write("tls.key",
        pem([&](BIO* bio) { PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr); }));
  ExpectRefused(options, "key too small");
}
// OpenSSL would ask the terminal for the passphrase, and wait.
TEST_F(HttpServerBadTls, EncryptedKey) {
  const ListenerOptions options = Tls();
  Write("tls.key",
        "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: "
        "AES-256-CBC,00112233445566778899AABBCCDDEEFF\n\n"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n-----END EC PRIVATE KEY-----\n");
  ExpectRefused(options, "without a passphrase");
}
TEST_F(HttpServerBadTls, RequiredWithoutAClientCa) {
  ListenerOptions options = Tls();
  options.tls->require_client_certificate = true;
  ExpectRefused(options, "no client CA is named");
}
TEST_F(HttpServerBadTls, ClientCaWithoutACertificate) {
  ListenerOptions options = Tls();
  Write("client-ca.crt", "nothing here");
  options.tls->client_ca = Path("client-ca.crt");
  ExpectRefused(options, "client-ca.crt: holds no certificate");
}

}  // namespace
}  // namespace gatehouse::webhook
