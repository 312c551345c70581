#include "common/session/nonce.h"

#include <algorithm>
#include <cstdlib>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/crypto/hash.h"

namespace gatehouse::session {
namespace {

constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kTimeBytes = 8;
constexpr std::size_t kRandomBytes = 16;
constexpr std::size_t kNonceMacBytes = 24;
constexpr std::size_t kNonceBytes = kTimeBytes + kRandomBytes + kNonceMacBytes;
constexpr std::size_t kTicketMacBytes = 32;
// Nothing is remembered for less than this after its redemption: the lifetime of a nonce, and once more in case the
// wall clock is set back meanwhile.
constexpr Duration kRememberFor = 2 * limits::kNonceLifetime;

// One purpose for each kind of challenge, so that none can stand in for another under the one key.
constexpr std::string_view kNoncePurpose = "gatehouse-nonce-v1";
constexpr std::string_view kTicketPurpose = "gatehouse-ticket-v1";
constexpr std::string_view kSecretPurpose = "gatehouse-credential-secret-v1";

void PutSized(ByteWriter& writer, BytesView bytes) {
  writer.PutU32Be(static_cast<std::uint32_t>(bytes.size()));
  writer.Put(bytes);
}

Error Foreign(std::string_view what) {
  return {Reason::kNonceMismatch, "",
          std::string(what) + " is not one that this service gave to this node for this key"};
}

}  // namespace

Challenger::Challenger(Bytes key, const Clock& clock, Random random) : clock_(clock), random_(std::move(random)) {
  if (key.size() < kKeyBytes) std::abort();
  keys_ = std::make_shared<const Keys>(Keys{std::move(key), {}, {}});
}

void Challenger::ReplaceKey(Bytes key) {
  if (key.size() < kKeyBytes) std::abort();
  std::lock_guard lock(keys_mutex_);
  if (ConstantTimeEqual(key, keys_->current)) return;
  const MonoTime until = clock_.Mono() + Duration(limits::kNonceLifetime);
  keys_ = std::make_shared<const Keys>(Keys{std::move(key), keys_->current, until});
}

std::shared_ptr<const Challenger::Keys> Challenger::CurrentKeys() const {
  std::lock_guard lock(keys_mutex_);
  return keys_;
}

std::vector<Bytes> Challenger::AcceptedKeys() const {
  const auto keys = CurrentKeys();
  std::vector<Bytes> accepted = {keys->current};
  if (!keys->previous.empty() && clock_.Mono() < keys->previous_until) accepted.push_back(keys->previous);
  return accepted;
}

Bytes Challenger::Mac(BytesView key, std::string_view purpose, const NodeName& node, BytesView subject,
                      BytesView time_and_random) {
  // Every part has its length before it: no two different lists of parts give the same bytes.
  ByteWriter writer;
  PutSized(writer, AsBytes(purpose));
  PutSized(writer, AsBytes(node.text()));
  PutSized(writer, subject);
  PutSized(writer, time_and_random);
  return crypto::Hmac(HashAlgorithm::kSha256, key, writer.bytes());
}

Bytes Challenger::TimeAndRandom() const {
  ByteWriter writer;
  writer.PutU64Be(static_cast<std::uint64_t>(clock_.Wall().time_since_epoch().count()));
  writer.Put(random_(kRandomBytes));
  return std::move(writer).Finish();
}

Status Challenger::CheckAge(BytesView time_and_random) const {
  ByteReader reader(time_and_random, Reason::kNonceMismatch, "challenge");
  ASSIGN_OR_RETURN(std::uint64_t issued, reader.TakeU64Be());
  // Under our MAC, so no attacker chose it; still compared without a sum that could wrap.
  auto now = static_cast<std::uint64_t>(clock_.Wall().time_since_epoch().count());
  auto skew = static_cast<std::uint64_t>(Duration(limits::kReplicaClockSkew).count());
  auto lifetime = static_cast<std::uint64_t>(Duration(limits::kNonceLifetime).count());
  if (issued > now && issued - now > skew) {
    return Error{Reason::kNonceExpired, "",
                 "the challenge was issued in the future; compare the clocks of the replicas"};
  }
  if (now > issued && now - issued > lifetime) {
    return Error{Reason::kNonceExpired, "",
                 "the challenge was answered after " + std::to_string((now - issued) / 1000) + " s; it is good for " +
                     std::to_string(lifetime / 1000) + " s"};
  }
  return Ok();
}

Bytes Challenger::IssueNonce(const NodeName& node, BytesView ak_name) {
  Bytes nonce = TimeAndRandom();
  Bytes mac = Mac(CurrentKeys()->current, kNoncePurpose, node, ak_name, nonce);
  Append(nonce, BytesView(mac).first(kNonceMacBytes));
  return nonce;
}

Status Challenger::RedeemNonce(const NodeName& node, BytesView ak_name, BytesView nonce) {
  if (nonce.size() != kNonceBytes) return Foreign("the nonce");
  BytesView time_and_random = nonce.first(kTimeBytes + kRandomBytes);
  bool ours = false;
  for (const Bytes& key : AcceptedKeys()) {
    const Bytes mac = Mac(key, kNoncePurpose, node, ak_name, time_and_random);
    ours |= ConstantTimeEqual(nonce.last(kNonceMacBytes), BytesView(mac).first(kNonceMacBytes));
  }
  if (!ours) return Foreign("the nonce");
  RETURN_IF_ERROR(CheckAge(time_and_random));

  std::lock_guard lock(mutex_);
  MonoTime now = clock_.Mono();
  if (now >= next_sweep_ || redeemed_.size() >= limits::kNodes) Sweep(now);
  auto of_node = redeemed_.find(node);
  if (of_node == redeemed_.end()) {
    if (redeemed_.size() >= limits::kNodes) return Error{Reason::kOverloaded, "", "too many nodes attest at once"};
    of_node = redeemed_.try_emplace(node).first;
  }
  std::vector<Redeemed>& memory = of_node->second;
  std::erase_if(memory, [now](const Redeemed& entry) { return entry.forget_at <= now; });
  for (const Redeemed& entry : memory) {
    if (ConstantTimeEqual(entry.nonce, nonce)) return Error{Reason::kNonceReused, "", "the nonce was answered before"};
  }
  if (memory.size() >= limits::kNoncesPerNode) {
    return Error{Reason::kOverloaded, "", "the node attests too often; it may do so again within minutes"};
  }
  memory.push_back({ToBytes(nonce), now + kRememberFor});
  return Ok();
}

std::optional<WallTime> Challenger::IssuedAt(BytesView nonce) {
  ByteReader reader(nonce, Reason::kNonceMismatch, "nonce");
  auto issued = reader.TakeU64Be();
  if (!issued.ok()) return std::nullopt;
  return WallTime(Duration(static_cast<std::int64_t>(*issued)));
}

void Challenger::Sweep(MonoTime now) {
  std::erase_if(redeemed_, [now](const auto& of_node) {
    const std::vector<Redeemed>& memory = of_node.second;
    return std::all_of(memory.begin(), memory.end(), [now](const Redeemed& entry) { return entry.forget_at <= now; });
  });
  // Not at every call: with many nodes in memory a sweep costs more than the redemption.
  next_sweep_ = now + Duration(limits::kNonceLifetime) / 8;
}

Bytes Challenger::CredentialSecret(BytesView key, const NodeName& node, BytesView subject, BytesView time_and_random) {
  return Mac(key, kSecretPurpose, node, subject, time_and_random);
}

// A ticket is base64url of: time ‖ random ‖ u16 size, EK fingerprint as text ‖ u32 size, context ‖ MAC. The subject of
// both MACs is what stands between the random and the MAC.
Result<Challenger::Ticket> Challenger::IssueTicket(const NodeName& node, const Digest& ek, BytesView context) {
  if (context.size() > limits::kTicketContextBytes) {
    return Error{Reason::kLimitExceeded, "ticket",
                 "the enrolment has more than " + std::to_string(limits::kTicketContextBytes) + " bytes"};
  }
  ByteWriter subject;
  subject.PutSized16Be(AsBytes(ek.text()));
  PutSized(subject, context);
  Bytes ticket = TimeAndRandom();
  const auto keys = CurrentKeys();
  Bytes secret = CredentialSecret(keys->current, node, subject.bytes(), ticket);
  Bytes mac = Mac(keys->current, kTicketPurpose, node, subject.bytes(), ticket);
  Append(ticket, subject.bytes());
  Append(ticket, mac);
  return Ticket{EncodeBase64Url(ticket), std::move(secret)};
}

Result<Challenger::RedeemedTicket> Challenger::RedeemTicket(const NodeName& node, std::string_view ticket,
                                                            BytesView secret) {
  if (ticket.size() > limits::kTicketBytes) return Foreign("the ticket");
  auto bytes = DecodeBase64Url(ticket);
  if (!bytes.ok() || bytes->size() < kTimeBytes + kRandomBytes + kTicketMacBytes) return Foreign("the ticket");
  BytesView view = *bytes;
  BytesView time_and_random = view.first(kTimeBytes + kRandomBytes);
  BytesView subject = view.subspan(time_and_random.size(), view.size() - time_and_random.size() - kTicketMacBytes);
  std::optional<Bytes> key;  // that it is under
  std::vector<Bytes> accepted = AcceptedKeys();
  for (Bytes& each : accepted) {
    const Bytes mac = Mac(each, kTicketPurpose, node, subject, time_and_random);
    if (ConstantTimeEqual(view.last(kTicketMacBytes), mac)) key = std::move(each);
  }
  if (!key.has_value()) return Foreign("the ticket");
  RETURN_IF_ERROR(CheckAge(time_and_random));
  if (!ConstantTimeEqual(secret, CredentialSecret(*key, node, subject, time_and_random))) {
    return Error{Reason::kCredentialUnanswered, "", "the secret is not the one that the credential protects"};
  }
  ByteReader reader(subject, Reason::kNonceMismatch, "ticket");
  ASSIGN_OR_RETURN(BytesView ek_text, reader.TakeSized16Be(limits::kTpmStructureBytes));
  ASSIGN_OR_RETURN(std::uint32_t size, reader.TakeU32Be());
  ASSIGN_OR_RETURN(BytesView context, reader.Take(size));
  RETURN_IF_ERROR(reader.ExpectEnd());
  auto ek = Digest::Parse(AsText(ek_text));
  if (!ek.ok()) return Foreign("the ticket");
  return RedeemedTicket{std::move(*ek), ToBytes(context)};
}

}  // namespace gatehouse::session
