#include "webhook/server/serving_tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include "common/base/file.h"
#include "common/base/limits.h"

namespace gatehouse::webhook {
namespace {

template <auto kFree>
struct Free {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using BioPtr = std::unique_ptr<BIO, Free<BIO_free_all>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using X509Ptr = std::unique_ptr<X509, Free<X509_free>>;
using ContextPtr = std::shared_ptr<SSL_CTX>;

constexpr long kSessionSeconds = 300;  // how long a client's certificate may be believed without being shown again
constexpr const char* kTls12Ciphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr const char* kTls13Suites = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

// The newest error of OpenSSL on this thread; the queue is empty afterwards.
std::string TakeOpensslError() {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  ERR_clear_error();
  return reason == nullptr ? "unknown error" : reason;
}

Error Invalid(const std::string& file, std::string detail) {
  return Error{Reason::kConfigInvalid, file, std::move(detail)};
}

Result<std::string> ReadPem(const std::string& path) {
  Result<std::string> text = ReadTextFile(path, limits::kTlsFileBytes);
  if (!text.ok()) return Invalid(path, text.error().detail);
  return text;
}

BioPtr Bio(const std::string& text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// Without it OpenSSL asks the terminal for the passphrase of an encrypted key.
int NoPassphrase(char*, int, int, void*) {
  return -1;
}

Result<std::vector<X509Ptr>> ParseCertificates(const std::string& file, const std::string& pem) {
  std::vector<X509Ptr> certificates;
  const BioPtr bio = Bio(pem);
  ERR_clear_error();
  while (X509* certificate = PEM_read_bio_X509(bio.get(), nullptr, NoPassphrase, nullptr)) {
    certificates.emplace_back(certificate);
    if (certificates.size() > limits::kPemBlocks) return Invalid(file, "holds more than 1000 certificates");
  }
  // The end of the input shows as "no start line"; anything else is a block that is broken.
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  const std::string why = TakeOpensslError();
  if (!at_end) return Invalid(file, "holds a certificate that cannot be read: " + why);
  if (certificates.empty()) return Invalid(file, "holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)");
  return certificates;
}

Result<KeyPtr> ParseKey(const std::string& file, const std::string& pem) {
  KeyPtr key(PEM_read_bio_PrivateKey(Bio(pem).get(), nullptr, NoPassphrase, nullptr));
  if (!key) {
    return Invalid(file, "holds no private key in PEM form without a passphrase: " + TakeOpensslError());
  }
  const int type = EVP_PKEY_get_base_id(key.get());
  if (type != EVP_PKEY_EC && type != EVP_PKEY_RSA) return Invalid(file, "is neither an ECDSA nor an RSA key");
  return key;
}

Result<WallTime> NotAfter(const std::string& file, const X509* certificate) {
  std::tm utc{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &utc) != 1) {
    ERR_clear_error();
    return Invalid(file, "holds a certificate whose end of validity cannot be read");
  }
  using std::chrono::sys_days, std::chrono::year, std::chrono::month, std::chrono::day;
  const sys_days date =
      year(utc.tm_year + 1900) / month(static_cast<unsigned>(utc.tm_mon) + 1) / day(static_cast<unsigned>(utc.tm_mday));
  return WallTime(date + std::chrono::hours(utc.tm_hour) + std::chrono::minutes(utc.tm_min) +
                  std::chrono::seconds(utc.tm_sec));
}

int SelectHttp11(SSL*, const unsigned char** chosen, unsigned char* chosen_size, const unsigned char* offered,
                 unsigned int offered_size, void*) {
  static constexpr std::array<unsigned char, 9> kOurs = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  unsigned char* match = nullptr;
  if (SSL_select_next_proto(&match, chosen_size, kOurs.data(), kOurs.size(), offered, offered_size) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  *chosen = match;
  return SSL_TLSEXT_ERR_OK;
}

Result<ContextPtr> NewContext() {
  ContextPtr context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  std::string groups = "X25519:P-256:P-384";  // OpenSSL's macro takes a char*
  static constexpr std::array<unsigned char, 9> kSessionContext = {'g', 'a', 't', 'e', 'h', 'o', 'u', 's', 'e'};
  if (!context || SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) != 1 ||
      SSL_CTX_set_cipher_list(context.get(), kTls12Ciphers) != 1 ||
      SSL_CTX_set_ciphersuites(context.get(), kTls13Suites) != 1 ||
      SSL_CTX_set1_groups_list(context.get(), groups.data()) != 1 ||
      // Without it OpenSSL fails a resumption when client certificates are asked for.
      SSL_CTX_set_session_id_context(context.get(), kSessionContext.data(), kSessionContext.size()) != 1) {
    return Error{Reason::kInternal, "TLS", "cannot be set up: " + TakeOpensslError()};
  }
  SSL_CTX_set_security_level(context.get(), 2);  // 112 bits: RSA of 2048, no SHA-1 signatures
  SSL_CTX_set_options(context.get(), SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                         SSL_OP_PRIORITIZE_CHACHA);
  // A write may be repeated from another place; buffers of an idle connection are given back.
  SSL_CTX_set_mode(context.get(),
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(context.get(), 1);  // a record in one read(2) instead of two; see Channel::Buffered()
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_SERVER);
  SSL_CTX_sess_set_cache_size(context.get(), 1024);
  SSL_CTX_set_timeout(context.get(), kSessionSeconds);
  SSL_CTX_set_alpn_select_cb(context.get(), SelectHttp11, nullptr);
  return context;
}

Status UseClientCa(SSL_CTX* context, const TlsFiles& files, const std::string& pem) {
  ASSIGN_OR_RETURN(const std::vector<X509Ptr> anchors, ParseCertificates(files.client_ca, pem));
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  for (const X509Ptr& anchor : anchors) {
    // The names are sent to the client, which picks its certificate by them.
    if (X509_STORE_add_cert(store, anchor.get()) != 1 || SSL_CTX_add_client_CA(context, anchor.get()) != 1) {
      return Invalid(files.client_ca, "holds a certificate that cannot be used: " + TakeOpensslError());
    }
  }
  X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
  SSL_CTX_set_verify(
      context, SSL_VERIFY_PEER | (files.require_client_certificate ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), nullptr);
  return Ok();
}

// The text of the one entry of that kind; nothing if there is none, several, or one that holds a NUL.
std::optional<std::string> EntryText(const X509_NAME_ENTRY* entry) {
  unsigned char* utf8 = nullptr;
  const int size = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(entry));
  if (size < 0) {
    ERR_clear_error();
    return std::nullopt;
  }
  std::string text(utf8, utf8 + size);
  OPENSSL_free(utf8);
  if (text.empty() || text.find('\0') != std::string::npos) return std::nullopt;
  return text;
}

}  // namespace

void SslFree::operator()(ssl_st* ssl) const {
  SSL_free(ssl);
}

ServingTls::ServingTls(TlsFiles files, std::string listener, const Clock& clock, telemetry::Logger& log)
    : files_(std::move(files)), listener_(std::move(listener)), clock_(clock), log_(log) {}

Result<std::unique_ptr<ServingTls>> ServingTls::Make(TlsFiles files, std::string listener, const Clock& clock,
                                                     telemetry::Logger& log) {
  if (files.require_client_certificate && files.client_ca.empty()) {
    return Error{Reason::kConfigInvalid, listener, "a client certificate is required, but no client CA is named"};
  }
  std::unique_ptr<ServingTls> tls(new ServingTls(std::move(files), std::move(listener), clock, log));
  tls->tried_ = tls->Look();
  ASSIGN_OR_RETURN(tls->in_use_, tls->Load());
  return tls;
}

ServingTls::Stamps ServingTls::Look() const {
  Stamps stamps;
  const std::array<const std::string*, 3> paths = {&files_.certificate, &files_.key, &files_.client_ca};
  for (std::size_t i = 0; i < paths.size(); ++i) {
    struct stat file {};
    if (paths.at(i)->empty() || stat(paths.at(i)->c_str(), &file) != 0) continue;
    stamps.at(i) = Stamp{file.st_dev, file.st_ino, file.st_size, file.st_mtim.tv_sec, file.st_mtim.tv_nsec};
  }
  return stamps;
}

Result<ServingTls::InUse> ServingTls::Load() const {
  ASSIGN_OR_RETURN(const std::string chain_pem, ReadPem(files_.certificate));
  ASSIGN_OR_RETURN(const std::string key_pem, ReadPem(files_.key));
  ASSIGN_OR_RETURN(std::vector<X509Ptr> chain, ParseCertificates(files_.certificate, chain_pem));
  ASSIGN_OR_RETURN(const KeyPtr key, ParseKey(files_.key, key_pem));
  if (X509_check_private_key(chain.front().get(), key.get()) != 1) {
    ERR_clear_error();
    return Invalid(files_.key, "is not the key of the first certificate in " + files_.certificate);
  }
  ASSIGN_OR_RETURN(const ContextPtr context, NewContext());
  if (SSL_CTX_use_certificate(context.get(), chain.front().get()) != 1 ||
      SSL_CTX_use_PrivateKey(context.get(), key.get()) != 1) {
    return Invalid(files_.certificate, "cannot be used: " + TakeOpensslError());
  }
  for (std::size_t i = 1; i < chain.size(); ++i) {
    if (SSL_CTX_add1_chain_cert(context.get(), chain[i].get()) != 1) {
      return Invalid(files_.certificate, "holds an intermediate that cannot be used: " + TakeOpensslError());
    }
  }
  std::string texts = chain_pem + key_pem;
  if (!files_.client_ca.empty()) {
    ASSIGN_OR_RETURN(const std::string ca_pem, ReadPem(files_.client_ca));
    RETURN_IF_ERROR(UseClientCa(context.get(), files_, ca_pem));
    texts += ca_pem;
  }
  ASSIGN_OR_RETURN(const WallTime expiry, NotAfter(files_.certificate, chain.front().get()));
  return InUse{context, expiry, std::move(texts)};
}

void ServingTls::Refresh() {
  // Looked at before reading: what changes meanwhile is seen as a change the next time.
  const Stamps now = Look();
  if (now == tried_) return;
  tried_ = now;
  Result<InUse> loaded = Load();
  if (!loaded.ok()) {
    log_.Failure(telemetry::Level::kError, "the new serving certificate cannot be used; the old one stays in use",
                 loaded.error(), {{"listener", listener_}});
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    if (loaded->texts == in_use_.texts) return;  // touched only; resumption goes on
    std::swap(in_use_, *loaded);
  }
  log_.Info("serving certificate read again", {{"listener", listener_}, {"file", files_.certificate}});
}

SslPtr ServingTls::NewConnection(int descriptor) const {
  ContextPtr context;
  {
    const std::lock_guard lock(mutex_);
    context = in_use_.context;
  }
  SslPtr ssl(SSL_new(context.get()));
  if (ssl == nullptr || SSL_set_fd(ssl.get(), descriptor) != 1) {
    ERR_clear_error();
    return nullptr;
  }
  X509_VERIFY_PARAM_set_time(SSL_get0_param(ssl.get()),
                             std::chrono::system_clock::to_time_t(
                                 std::chrono::time_point_cast<std::chrono::system_clock::duration>(clock_.Wall())));
  SSL_set_accept_state(ssl.get());
  return ssl;
}

WallTime ServingTls::Expiry() const {
  const std::lock_guard lock(mutex_);
  return in_use_.expiry;
}

std::optional<ClientIdentity> VerifiedClient(const ssl_st* ssl) {
  const X509* certificate = SSL_get0_peer_certificate(ssl);
  // Without a certificate the verify result is X509_V_OK as well, so that its absence is to be asked first.
  if (certificate == nullptr || SSL_get_verify_result(ssl) != X509_V_OK) return std::nullopt;
  const X509_NAME* subject = X509_get_subject_name(certificate);
  ClientIdentity client;
  for (int i = 0; i < X509_NAME_entry_count(subject); ++i) {
    const X509_NAME_ENTRY* entry = X509_NAME_get_entry(subject, i);
    const int kind = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
    if (kind != NID_commonName && kind != NID_organizationName) continue;
    std::optional<std::string> text = EntryText(entry);
    if (!text || (kind == NID_commonName && !client.common_name.empty())) return std::nullopt;
    if (kind == NID_commonName) {
      client.common_name = *std::move(text);
    } else {
      client.organizations.push_back(*std::move(text));
    }
  }
  if (client.common_name.empty()) return std::nullopt;
  return client;
}

}  // namespace gatehouse::webhook
