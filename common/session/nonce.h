// Challenges that any replica can check: a nonce is a MAC over (purpose, node, AK name, time, random) under a key that
// replicas share, and a credential secret is derived the same way, so that no replica keeps state between two calls of
// a session.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/base/clock.h"
#include "common/base/types.h"

namespace gatehouse::session {

// Nonce layout: time (ms, u64) ‖ random (16) ‖ HMAC-SHA-256 truncated to 24 bytes: 48 bytes. A TPM accepts extraData up
// to the size of its largest digest plus two (TPM2B_DATA, 66 bytes with SHA-512; 50 with SHA-384), so 48 fits every TPM
// with SHA-384.
class Challenger {
 public:
  // `key` has at least 32 bytes; the program is ended otherwise, because a short key would make every challenge
  // forgeable.
  Challenger(Bytes key, const Clock& clock, Random random);

  // Another key from now on, of at least 32 bytes as well. What the one before it has issued is still accepted for as
  // long as a nonce is good. Thread-safe, as all the rest is.
  void ReplaceKey(Bytes key);

  [[nodiscard]] Bytes IssueNonce(const NodeName& node, BytesView ak_name);
  // Accepts each nonce once (this replica remembers those it accepted until they expire). Errors: kNonceMismatch (not
  // ours, another node or AK), kNonceExpired, kNonceReused, kOverloaded (this node has limits::kNoncesPerNode in
  // memory, so that a node which floods us shuts out itself only; or limits::kNodes nodes do).
  [[nodiscard]] Status RedeemNonce(const NodeName& node, BytesView ak_name, BytesView nonce);

  // When a nonce says that it was issued: to be believed of one that was redeemed only. Nothing if it is too short.
  [[nodiscard]] static std::optional<WallTime> IssuedAt(BytesView nonce);

  struct Ticket {
    std::string text;  // goes to the agent and comes back
    Bytes secret;      // 32 bytes: what the credential protects
  };
  // Binds node, EK fingerprint and `context`: what the caller must know at the second call, the AK at least. Errors:
  // kLimitExceeded (more than limits::kTicketContextBytes).
  [[nodiscard]] Result<Ticket> IssueTicket(const NodeName& node, const Digest& ek, BytesView context);
  struct RedeemedTicket {
    Digest ek;
    Bytes context;
  };
  // Errors: kCredentialUnanswered (wrong secret), kNonceMismatch (not our ticket, another node), kNonceExpired.
  [[nodiscard]] Result<RedeemedTicket> RedeemTicket(const NodeName& node, std::string_view ticket, BytesView secret);

 private:
  struct Keys {
    Bytes current;
    Bytes previous;  // empty: none
    MonoTime previous_until{};
  };
  [[nodiscard]] std::shared_ptr<const Keys> CurrentKeys() const;
  // Those that a challenge may be under.
  [[nodiscard]] std::vector<Bytes> AcceptedKeys() const;
  [[nodiscard]] static Bytes Mac(BytesView key, std::string_view purpose, const NodeName& node, BytesView subject,
                                 BytesView time_and_random);
  [[nodiscard]] Bytes TimeAndRandom() const;
  [[nodiscard]] static Bytes CredentialSecret(BytesView key, const NodeName& node, BytesView subject,
                                              BytesView time_and_random);
  // Whether the time at the front of a challenge of ours is within limits::kNonceLifetime.
  [[nodiscard]] Status CheckAge(BytesView time_and_random) const;
  void Sweep(MonoTime now);

  struct Redeemed {
    Bytes nonce;
    MonoTime forget_at;
  };
  mutable std::mutex keys_mutex_;
  std::shared_ptr<const Keys> keys_;
  const Clock& clock_;
  Random random_;
  std::mutex mutex_;
  std::unordered_map<NodeName, std::vector<Redeemed>> redeemed_;
  MonoTime next_sweep_{};
};

}  // namespace gatehouse::session
