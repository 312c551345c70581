// The bytes of one accepted connection, with or without TLS. Nothing here waits: an operation does what it can and says
// what it would wait for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "webhook/server/serving_tls.h"

namespace gatehouse::webhook {

class Channel {
 public:
  enum class Io : std::uint8_t { kDone, kWantRead, kWantWrite, kEnd, kFailed };

  // Takes the descriptor, which must not block. `tls` null: plain.
  Channel(int descriptor, SslPtr tls) : descriptor_(descriptor), tls_(std::move(tls)) {}
  ~Channel();  // closes at once
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  [[nodiscard]] int descriptor() const { return descriptor_; }
  // kDone at once without TLS. After kFailed, `failure` says why, if anybody knows.
  [[nodiscard]] Io Handshake(std::string& failure);
  [[nodiscard]] std::optional<ClientIdentity> Client() const;
  // Appends what has arrived, at most some 16 KiB. kEnd: the peer will send nothing more.
  [[nodiscard]] Io Read(std::string& to);
  // Bytes that arrived and were not read, and that poll(2) does not tell of any more.
  [[nodiscard]] bool Buffered() const;
  // Writes from `bytes`, as much as possible, and takes that off its front.
  [[nodiscard]] Io Write(std::string_view& bytes);
  // Tells the peer that nothing more will come.
  void SendEnd();
  // After SendEnd(): takes what still arrives and throws it away.
  [[nodiscard]] Io Discard();

 private:
  [[nodiscard]] Io Explain(int result) const;
  int descriptor_;
  SslPtr tls_;
};

}  // namespace gatehouse::webhook
